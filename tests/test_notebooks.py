"The tests inside every notebook, in the order of the chapters: a phase reads what the phases before it have left."

import os
from pathlib import Path

import pytest
from processes import forked, run_tests_of

from chip.running.runs import PHASES

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    "A project's folder of its own, so that nobody's runs are touched."
    folder = tmp_path_factory.mktemp("home")
    (folder / "data").mkdir()
    (folder / "data" / "taxonomy").symlink_to(ROOT / "data" / "taxonomy")
    return folder


WINGS = ("data", "compute", "core", "", "audit", "studies", "teaching", "running")


def chapters() -> list[str]:
    "Notebooks relative to nbs/, wing by wing; the book's own chapters are no wing."
    paths = [path.relative_to(ROOT / "nbs") for path in (ROOT / "nbs").rglob("[!.]*.ipynb")]
    paths = [path for path in paths if ".ipynb_checkpoints" not in path.parts]
    return [str(p) for p in sorted(paths, key=lambda p: (WINGS.index(_wing(p)), str(p)))]


def _wing(path: Path) -> str:
    "The wing of a notebook; '' at the top."
    return path.parts[0] if len(path.parts) > 1 else ""


NOTEBOOKS = [f"{phase.notebook}.ipynb" for phase in PHASES]
tried: set[str] = set()


@pytest.mark.parametrize("notebook", chapters())
def test_notebook(home: Path, notebook: str):
    if notebook in NOTEBOOKS:  # alone, as by `pytest -k 20_oneshot`, it needs those before it
        for earlier in NOTEBOOKS[: NOTEBOOKS.index(notebook)]:
            if earlier not in tried:
                test_notebook(home, earlier)
    tried.add(notebook)
    environment = {
        **os.environ,
        "CHIP_HOME": str(home),
        "PYTHONPATH": str(ROOT),
        "MPLBACKEND": "agg",
        "CHIP_PROFILE": "smoke",  # chapters name the profile at which their prose reads it
    }
    done = forked(run_tests_of, f"nbs/{notebook}", environment=environment, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
