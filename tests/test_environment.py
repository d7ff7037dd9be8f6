"What somebody has set for themselves, and where their folders lie, changes no run."

import json
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from PIL import Image

from chip.running.runs import python_words

ROOT = Path(__file__).resolve().parent.parent
DRIVER = """
import sys
from pathlib import Path
from chip.running.cli import main
from chip.running.runs import Phase
sys.exit(main(sys.argv[2:], Path(sys.argv[1]), (Phase("10_first", "the first → ἓν", ("tables/found.csv",)),)))
"""
# a notebook that draws and writes as the study's own do, and says what it finds
CODE = """
import os, sys
import matplotlib.pyplot as plt
import pandas as pd
from chip.core.settings import Run
run = Run(name)
figure, ax = plt.subplots(figsize=(2, 1))
ax.set_title("a_b → $x$")
run.save_figure(figure, "figure1", "Drawn → so.")
print("→ é", file=sys.stderr)
found = {
    "backend": plt.get_backend(), "usetex": plt.rcParams["text.usetex"], "size": plt.rcParams["font.size"],
    "text": open.__module__ and sys.getfilesystemencoding(), "out": sys.stdout.encoding,
    "started": "startup" in globals(), "warnings": sys.warnoptions, "folder": os.getcwd(),
}
run.save_table(pd.DataFrame({"what": list(found), "found": list(map(str, found.values()))}), "found", "→")
"""
ODD = "a 100% {odd} [x] 'q' \"q\" é:#&;$(x)"


def write_notebook(folder: Path) -> None:
    parameters = nbformat.v4.new_code_cell(
        "profile: str = 'smoke'\nname: str = ''", metadata={"tags": ["parameters"]}
    )
    cells = [parameters, nbformat.v4.new_code_cell(CODE)]
    kernel = {"kernelspec": {"name": "python3", "language": "python", "display_name": "python3"}}
    nbformat.write(
        nbformat.v4.new_notebook(cells=cells, metadata=kernel), folder / "10_first.ipynb"
    )


def settings_of_somebody(folder: Path) -> dict[str, str]:
    "An environment in which each variable would spoil a run that listened to it."
    bad = "startup = 1; raise SystemExit('somebody\\'s own startup file')\n"
    startup = folder / "ipython" / "profile_default" / "startup" / "00-own.py"
    startup.parent.mkdir(parents=True)
    startup.write_text(bad)
    (folder / "start.py").write_text(bad)
    (folder / "matplotlibrc").write_text("text.usetex: True\nfont.size: 30\nbackend: TkAgg\n")
    jupyter = folder / "jupyter"
    jupyter.mkdir()
    (jupyter / "jupyter_config.py").write_text("raise SystemExit('own configuration')\n")
    scratch = folder / "_".join(["scratch_of_a_job"] * 7)
    scratch.mkdir()
    return {
        "HOME": "/dev/null/nobody",
        "TMPDIR": str(scratch),
        "LC_ALL": "C",
        "LANG": "C",
        "PYTHONIOENCODING": "ascii",
        "PYTHONSTARTUP": str(folder / "start.py"),
        "PYTHONWARNINGS": "error::UserWarning",
        "MATPLOTLIBRC": str(folder / "matplotlibrc"),
        "MPLBACKEND": "module://nobodys",
        "IPYTHONDIR": str(folder / "ipython"),
        "JUPYTER_CONFIG_DIR": str(jupyter),
        "JUPYTER_RUNTIME_DIR": "/dev/null/runtime",
        "JUPYTER_DATA_DIR": "/dev/null/data",
        "XDG_CACHE_HOME": "/dev/null/cache",
        "XDG_CONFIG_HOME": "/dev/null/config",
    }


def test_a_run_depends_on_nothing_of_its_users(tmp_path: Path):
    home = tmp_path / ODD
    (home / "nbs").mkdir(parents=True)
    (home / "data").mkdir()
    (home / "data" / "taxonomy").symlink_to(ROOT / "data" / "taxonomy")
    write_notebook(home / "nbs")
    environment = {**os.environ, "CHIP_HOME": str(home), "PYTHONPATH": str(ROOT)}
    environment |= settings_of_somebody(tmp_path / "own")
    done = subprocess.run(
        [sys.executable, "-c", DRIVER, str(home / "nbs"), "run", "smoke", "--name", "own"],
        env=environment,
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr.decode() + done.stdout.decode()
    told = done.stdout.decode("ascii")
    assert r"the first \u2192" in told and done.stderr.endswith(b"\\u2192 \\xe9\n")
    table = (home / "reports" / "own" / "tables" / "found.csv").read_text(encoding="utf-8")
    found = dict(line.split(",", 1) for line in table.splitlines()[1:])
    assert found["backend"].endswith("inline") and found["usetex"] == "False"
    assert (found["size"], found["text"], found["started"]) == ("10.0", "utf-8", "False")
    assert found["out"].lower() == "utf-8" and "error" not in found["warnings"]
    assert (home / "reports" / "own" / "figures" / "figure1.svg").is_file()
    assert json.loads((home / "reports" / "own" / "run.json").read_text())["name"] == "own"
    assert not list((tmp_path / "own").glob("*job/chip-*"))  # nothing is left in TMPDIR


def test_a_package_is_found_where_it_lies(tmp_path: Path):
    "A colon parts the folders of PYTHONPATH, so a folder with one needs another way."
    package = tmp_path / "a:b {c}" / "chip"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("chip.__file__", str(package / "__init__.py"))
        words = python_words("import chip; print(chip.__file__)")
    done = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path)
    assert done.stdout == f"{package / '__init__.py'}\n", done.stderr


LOADER = """
import sys, tempfile
from hashlib import file_digest
from chip.compute.backends import Work, fed
from chip.compute.encoders import encoder_spec
paths = sys.argv[1:]
keys = [file_digest(open(path, "rb"), "sha256").hexdigest() for path in paths]
batches = list(fed(Work(paths, keys, encoder_spec("efficientnet_lite0"), 1), workers=1))
print(sum(len(batch.rows) for batch in batches), len(tempfile.gettempdir()) < 40)
"""


def test_pictures_are_decoded_where_the_path_for_scratch_is_long(tmp_path: Path):
    "Without a short name for it, processes that decode wait for each other for ever."
    scratch = tmp_path / "_".join(["scratch_of_a_job"] * 7)
    scratch.mkdir()
    paths = [str(tmp_path / f"{i}.png") for i in range(2)]
    for path in paths:
        Image.new("RGB", (8, 8)).save(path)
    before = set(Path("/tmp").glob("chip-*/t"))
    done = subprocess.run(
        python_words(LOADER) + paths,
        env={**os.environ, "TMPDIR": str(scratch)},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.stdout == "2 True\n", done.stderr
    mine = [link for link in set(Path("/tmp").glob("chip-*/t")) - before if link.exists()]
    assert not [link for link in mine if link.samefile(scratch)]
