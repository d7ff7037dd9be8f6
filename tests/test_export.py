"The package is what the notebooks export, and the notebooks are committed clean."

import configparser
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from chip.running.runs import PHASES

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = [
    path
    for path in sorted((ROOT / "nbs").rglob("*.ipynb"))
    if ".ipynb_checkpoints" not in path.parts
]
BY_HAND = {
    "__init__.py",
    "__main__.py",
}  # the version, which nbdev keeps, and the door for `python -m chip`


def copy_source(to: Path) -> Path:
    "The notebooks and what nbdev must know, in a folder of their own."
    shutil.copytree(
        ROOT / "nbs", to / "nbs", ignore=shutil.ignore_patterns(".ipynb_checkpoints", ".*")
    )
    shutil.copy(ROOT / "settings.ini", to)
    (to / "chip").mkdir()
    for name in BY_HAND:
        shutil.copy(ROOT / "chip" / name, to / "chip")
    return to


def nbdev(command: str, module: str, folder: Path) -> None:
    "Run one of nbdev's commands in a folder."
    code = f"from nbdev.{module} import {command}; {command}()"
    subprocess.run(
        [sys.executable, "-c", code], cwd=folder, check=True, capture_output=True, text=True
    )


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = copy_source(tmp_path_factory.mktemp("export"))
    nbdev("nbdev_export", "doclinks", folder)
    return folder / "chip"


def modules(folder: Path) -> set[str]:
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*.py")
        if path.name != "_modidx.py" and path.read_text()
    }


def test_no_module_is_missing_or_left_over(exported: Path):
    assert modules(ROOT / "chip") == modules(exported)


@pytest.mark.parametrize("name", sorted(modules(ROOT / "chip")))
def test_module_is_a_fresh_export(exported: Path, name: str):
    assert (exported / name).is_file(), f"chip/{name} has no notebook"
    assert (ROOT / "chip" / name).read_text() == (exported / name).read_text(), (
        f"chip/{name} differs from its notebook: nbdev_export"
    )


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a git checkout")
def test_modules_are_committed():
    tracked = subprocess.run(
        ["git", "ls-files", "chip"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.split()
    assert {f"chip/{name}" for name in modules(ROOT / "chip")} <= set(tracked)


def test_notebooks_are_clean(tmp_path: Path):
    folder = copy_source(tmp_path)
    nbdev("nbdev_clean", "clean", folder)
    dirty = [
        path.name
        for path in NOTEBOOKS
        if path.read_bytes() != (folder / path.relative_to(ROOT)).read_bytes()
    ]
    assert not dirty, f"{', '.join(dirty)}: nbdev_clean"


def outputs_of(path: Path) -> list[str]:
    "The cells of a notebook that have outputs, or a number that says when they were run."
    return [
        cell.id
        for cell in nbformat.read(path, as_version=4).cells
        if cell.cell_type == "code" and (cell.outputs or cell.execution_count)
    ]


@pytest.mark.parametrize(
    "path", [path for path in NOTEBOOKS if path.parent.name != "nbs"], ids=lambda path: path.stem
)
def test_notebook_of_a_wing_has_no_outputs(path: Path):
    "What a reader needs to see is in reports; so a notebook that was run differs in its outputs alone, which nbdev_clean --clear_all takes out."
    assert not outputs_of(path), f"{path.name}: nbdev_clean --clear_all"


@pytest.mark.parametrize("phase", [phase.notebook for phase in PHASES])
def test_a_run_needs_nothing_that_only_development_has(phase: str):
    "papermill executes the tests in a phase's notebook too, and `pip install -e .` has to be enough for `chip run`."
    config = configparser.ConfigParser(delimiters=["="], interpolation=None)
    config.read(ROOT / "settings.ini", encoding="utf-8")
    needed, extra = (
        set(re.findall(r"(?:^| )([A-Za-z0-9_-]+)", config["DEFAULT"][key]))
        for key in ("requirements", "dev_requirements")
    )
    cells = nbformat.read(ROOT / "nbs" / f"{phase}.ipynb", as_version=4).cells
    source = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
    imported = set(re.findall(r"^\s*(?:import|from)\s+(\w+)", source, re.MULTILINE))
    assert not imported & (extra - needed), "add it to requirements in settings.ini"
