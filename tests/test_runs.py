"Whole runs from outside: through the command line, in processes of their own, interrupted, killed and misused."

import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import psutil
import pytest
from processes import Forked, forked, run_chip, run_papermill

from chip.core.settings import Run
from chip.running.runs import PHASES, clear_from

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared" / "data"

# `chip` on notebooks of the tests' own
DRIVER = """
import sys
from pathlib import Path
from chip.running.cli import main
from chip.running.runs import Phase
phases = (Phase("10_first", "the first", ("tables/seen.csv",)), Phase("20_second", "the second"))
sys.exit(main(sys.argv[2:], Path(sys.argv[1]), phases))
"""
HEAD = """
import os, time
from pathlib import Path
from tqdm import tqdm
home = Path(os.environ["CHIP_HOME"])
run = home / "data" / "runs" / (name or profile)
for kind in ("tables", "oneshot"): (run / kind).mkdir(parents=True, exist_ok=True)
def step(what):
    with open(home / f"{run.name}.log", "a") as log: print(what, file=log)
"""
# three steps, each kept when it is done; the third waits if a file says so
FIRST = (
    HEAD
    + """
for i in tqdm(range(3), desc="stepping"):
    done = run / "oneshot" / f"{i}.txt"
    if done.exists(): continue
    if i == 2 and (home / "wait").exists():
        (home / "waiting").write_text("")
        time.sleep(60)
    done.write_text(str(epochs))
    step(f"first {i}")
rows = [f"{m},0,{l},{t / (l + 1)},.1" for m, t in [("paper", .2), ("frozen", .9)] for l in range(3)]
(run / "tables" / "seen.csv").write_text("\\n".join(["method,seed,level,top1,chance", *rows]))
(run / "tables" / "seen.txt").write_text(f"Made up, epochs {epochs}, in {os.getcwd()}")
"""
)
SECOND = (
    HEAD
    + """
step("second")
if margin == 2: raise ValueError("margin=2 is more than this notebook bears\\nsecond line")
(run / "tables" / "second.csv").write_text(f"name,margin\\n<script>alert(1)</script>,{margin}\\n")
"""
)
ALL = ["first 0", "first 1", "first 2", "second"]


def write_notebook(path: Path, parameters: str, code: str) -> None:
    "A phase notebook of two cells."
    first = f"profile: str = 'smoke'\nname: str = ''\n{parameters}"
    cells = [
        nbformat.v4.new_code_cell(first, metadata={"tags": ["parameters"]}),
        nbformat.v4.new_code_cell(code),
    ]
    kernel = {"kernelspec": {"name": "python3", "language": "python", "display_name": "python3"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), path)


class Home:
    "A project's folder for one test, with notebooks that take no time."

    def __init__(self, folder: Path):
        self.folder, self.notebooks = folder, folder / "nbs"
        self.notebooks.mkdir(parents=True)
        (folder / "data").mkdir()
        (folder / "data" / "taxonomy").symlink_to(ROOT / "data" / "taxonomy")
        write_notebook(
            self.notebooks / "10_first.ipynb", "epochs: int = None\nimages: str = None", FIRST
        )
        write_notebook(self.notebooks / "20_second.ipynb", "margin: float = None", SECOND)
        self.environment = {**os.environ, "CHIP_HOME": str(folder), "PYTHONPATH": str(ROOT)}

    def words(self, *words: str) -> list[str]:
        "For a command that nothing has imported anything for."
        return [sys.executable, "-c", DRIVER, str(self.notebooks), *words]

    def start(self, *words: str, real: bool = False, **where) -> Forked:
        notebooks = "" if real else str(self.notebooks)
        return Forked(run_chip, words, notebooks, environment=self.environment, **where)

    def chip(self, *words: str, real: bool = False, **where) -> subprocess.CompletedProcess:
        "Run the command to its end."
        process = self.start(*words, real=real, **where)
        out, err = process.communicate()
        return subprocess.CompletedProcess(words, process.returncode, out, err)

    def steps(self, name: str = "smoke") -> list[str]:
        return (self.folder / f"{name}.log").read_text().splitlines()

    def tables(self, name: str = "smoke") -> dict[str, bytes]:
        return {
            path.name: path.read_bytes()
            for path in (self.folder / "reports" / name / "tables").glob("*.csv")
        }


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def wait_for(condition, seconds: float = 60.0) -> None:
    "Until something is so. Fails when it takes too long."
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def contents(folder: Path) -> dict[str, bytes]:
    "Every file below a folder."
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_a_run_is_done_once(home: Home):
    first = home.chip("run", "smoke")
    assert first.returncode == 0, first.stderr
    assert (
        "[1/2] 10_first: the first\n" in first.stdout
        and "report: " in first.stdout.splitlines()[-1]
    )
    assert re.search(r"class +90\.0 % +20\.0 % +10\.0 %", first.stdout)
    assert "\r" not in first.stderr and "stepping" not in first.stderr
    report = contents(home.folder / "reports" / "smoke")

    second = home.chip("run", "smoke")
    assert second.returncode == 0 and second.stdout.count("unchanged, not run again") == 3
    assert home.steps() == ALL
    assert contents(home.folder / "reports" / "smoke") == report

    changed = home.chip("run", "smoke", "-p", "margin=0.5")
    assert (
        "10_first: the first: unchanged" in changed.stdout
        and "20_second: the second (changed: settings: margin)" in changed.stdout
    )
    assert home.steps() == [*ALL, "second"]

    again = home.chip("run", "smoke", "-p", "epochs=9")
    assert "(changed: settings: epochs)" in again.stdout and "not run again" not in again.stdout
    assert home.steps() == [*ALL, "second", *ALL]  # what the former settings left was removed first
    fresh = home.chip("run", "smoke", "-p", "epochs=9", "--fresh")
    assert "not run yet" not in fresh.stdout and home.steps() == [*ALL, "second", *ALL, *ALL]
    assert sorted(p.name for p in (home.folder / "reports").iterdir()) == ["smoke"]


def test_prose_does_not_count_but_code_does(home: Home):
    assert home.chip("run", "smoke").returncode == 0
    path = home.notebooks / "20_second.ipynb"
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.append(nbformat.v4.new_markdown_cell("More words."))
    nbformat.write(notebook, path)
    assert home.chip("run", "smoke").stdout.count("unchanged") == 3
    notebook.cells.append(nbformat.v4.new_code_cell("1 + 1"))
    nbformat.write(notebook, path)
    assert "20_second: the second (changed: notebook)" in home.chip("run", "smoke").stdout
    (home.folder / "data" / "runs" / "smoke" / "tables" / "seen.csv").write_text(
        "method\nby hand\n"
    )
    assert "(tables/seen.csv was changed by something else)" in home.chip("run", "smoke").stdout


def test_the_page_is_complete_and_escaped_and_names_no_folder(home: Home, tmp_path: Path):
    images = tmp_path / "my <b>pictures</b>"
    (images / "train" / "cat").mkdir(parents=True)
    (images / "train" / "cat" / "1.jpg").write_bytes(b"not looked at by these notebooks")
    done = home.chip("run", "smoke", "--images", str(images), "--name", "mine")
    assert done.returncode == 0, done.stderr
    folder = home.folder / "reports" / "mine"
    page = (folder / "index.html").read_text()
    assert "&lt;script&gt;alert(1)" in page and "<script" not in page and "<b>pictures" not in page
    for link in re.findall(r'(?:href|src)="([^"]+)"', page):
        if not link.startswith(("#", "data:")):
            assert (folder / link).is_file(), link
        assert not link.startswith(("http", "//", "/"))
    assert {".made", "index.html", "run.json", "figures", "tables", "notebooks"} == {
        p.name for p in folder.iterdir()
    }
    for path in folder.rglob("*"):
        if path.is_file():
            assert not re.search(
                rf"{re.escape(str(tmp_path))}|{re.escape(str(ROOT))}\b", path.read_text()
            ), path
    record = json.loads((folder / "run.json").read_text())
    assert (
        record["settings"]["images"] == images.name
        and record["packages"]["torch"]
        and record["hardware"]["cores"]
    )
    assert all(
        phase["seconds"] > 0 and phase["peak_memory_bytes"] > 10**7 for phase in record["phases"]
    )
    before = contents(folder)
    assert home.chip("report", "mine").returncode == 0 and contents(folder) == before


def test_a_failing_notebook_leaves_its_traceback_and_the_old_report(home: Home):
    assert home.chip("run", "smoke").returncode == 0
    report = contents(home.folder / "reports" / "smoke")
    failed = home.chip("run", "smoke", "-p", "margin=2")
    assert failed.returncode == 1 and failed.stderr.count("\n") == 1
    assert failed.stderr.startswith(
        "chip: error: 20_second failed: ValueError: margin=2 is more than this notebook bears ("
    )
    executed = Path(re.search(r"it came: (.*)\)", failed.stderr)[1])
    assert (
        "ValueError" in (executed if executed.is_absolute() else Path.cwd() / executed).read_text()
    )
    summary = executed.with_suffix(
        ".failed.txt"
    ).read_text()  # on one screen, and on the command's output
    assert summary in failed.stdout and len(summary.splitlines()) <= 24
    for part in (
        "20_second (the second) has failed in cell 3:",
        "ValueError: margin=2 is more",
        "raise ValueError",
        str(executed),
        "chip run smoke -p margin=2.0",
    ):
        assert part in summary
    assert contents(home.folder / "reports" / "smoke") == report
    assert home.chip("report", "smoke").returncode == 2  # not finished
    assert contents(home.folder / "reports" / "smoke") == report
    assert home.chip("run", "smoke").returncode == 0
    assert not executed.with_suffix(".failed.txt").exists()


def test_git_sees_nothing_of_a_run(home: Home, tmp_path: Path):
    "Runs, also those of profiles that reference runs are kept of, and executed notebooks leave a clone as it was."
    clone = tmp_path / "clone"

    def git(*words):
        return subprocess.run(
            ["git", "-C", str(clone), *words], capture_output=True, text=True, check=True
        ).stdout

    if subprocess.run(["git", "clone", "-q", str(ROOT), str(clone)]).returncode:
        pytest.skip("this is no git repository")
    home.environment |= {"CHIP_HOME": str(clone), "PYTHONPATH": str(clone)}
    (tmp_path / "pictures" / "train" / "cat").mkdir(parents=True)
    (tmp_path / "pictures" / "train" / "cat" / "1.jpg").write_bytes(
        b"not looked at by these notebooks"
    )
    for words in (("demo",), ("photos", "--images", str(tmp_path / "pictures"))):
        for again in (False, True):
            done = home.chip("run", *words)
            assert done.returncode == 0, done.stderr
            assert (
                f"reports/{words[0]} is a reference run that is kept: this one is called "
                f"my_{words[0]} (--name {words[0]} makes the reference run again)\n"
            ) in done.stdout
            assert ("2/2] 20_second: the second: unchanged" in done.stdout) == again
        assert (clone / "reports" / f"my_{words[0]}" / "index.html").is_file()
    words, environment = ("nbs/05_measures.ipynb", "out.ipynb"), home.environment
    done = forked(run_papermill, *words, environment=environment, cwd=clone)
    assert done.returncode == 0, done.stderr
    assert (clone / "out.ipynb").is_file()
    for log in clone.glob("*.log"):
        log.unlink()  # what the stand-ins for phases write
    assert git("status", "--porcelain") == ""


def test_a_reference_run_is_made_again_by_name(home: Home):
    record = home.folder / "reports" / "smoke" / "run.json"

    def kept():
        return json.loads(record.read_text()).get("reference")

    assert home.chip("run", "smoke").returncode == 0 and kept() is None
    assert home.chip("report", "smoke", "--light").returncode == 0 and kept() is True
    before = contents(record.parent)
    beside = home.chip("run", "smoke", "-p", "margin=0.5")
    assert (
        "this one is called my_smoke" in beside.stdout
        and (home.folder / "reports" / "my_smoke" / "run.json").is_file()
        and contents(record.parent) == before
    )
    assert (
        "run 'my_smoke': 0 of 2 phases"
        in home.chip("run", "smoke", "-p", "margin=0.5", "--why").stdout
    )
    again = home.chip("run", "smoke", "--name", "smoke")
    assert (
        again.returncode == 0
        and "is called" not in again.stdout
        and again.stdout.count("unchanged") == 3
        and kept() is None
    )


def test_pictures_count_by_content(home: Home, tmp_path: Path):
    picture = tmp_path / "pictures" / "train" / "cat" / "1.jpg"
    picture.parent.mkdir(parents=True)
    picture.write_bytes(b"one")

    def run():
        return home.chip("run", "smoke", "--images", str(tmp_path / "pictures"))

    assert run().returncode == 0
    os.utime(picture, ns=(10**18, 10**18))  # touched
    assert run().stdout.count("unchanged, not run again") == 3
    picture.write_bytes(b"two")
    os.utime(
        picture, ns=(10**18, 10**18)
    )  # another picture with the size and the time of the first
    assert "10_first: the first (changed: pictures)" in run().stdout and home.steps() == [
        *ALL,
        *ALL,
    ]


def test_a_moved_project_is_the_same_project(home: Home):
    picture = home.folder / "photos" / "train" / "cat" / "1.jpg"
    picture.parent.mkdir(parents=True)
    picture.write_bytes(b"one")
    assert home.chip("run", "smoke", "--images", "photos", cwd=home.folder).returncode == 0
    moved = home.folder.with_name("a {moved} 100% 'home'")
    home.folder.rename(moved)
    home.folder, home.notebooks = moved, moved / "nbs"
    home.environment["CHIP_HOME"] = str(moved)
    words = ("run", "smoke", "--images", "photos")
    again = home.chip(*words, cwd=moved)
    assert again.stdout.count("unchanged, not run again") == 3, again.stdout + again.stderr
    assert home.chip("report", "smoke").returncode == 0
    other = home.chip(*words, "-p", "epochs=7", cwd=moved)
    assert other.returncode == 0 and "epochs" in other.stdout and home.steps() == [*ALL, *ALL]
    for path in (moved / "data" / "runs" / "smoke").glob("*.json"):
        assert str(moved.parent) not in path.read_text(), path


def test_a_report_of_another_kind_is_not_replaced(home: Home):
    for name, file in (("grid", "sweep.json"), ("both", "compare.json")):
        kept = home.folder / "reports" / name / file
        kept.parent.mkdir(parents=True)
        kept.write_text("{}")
        refused = home.chip("run", "smoke", "--name", name)
        assert refused.returncode == 2 and re.fullmatch(
            rf"chip: error: reports/{name} is the report of a (sweep|comparison): give another --name\n",
            refused.stderr,
        )
        assert kept.read_text() == "{}" and not (home.folder / "data" / "runs").exists()


def test_why_does_nothing(home: Home):
    assert "2 of 2 phases would be run" in home.chip("run", "smoke", "--why").stdout and sorted(
        p.name for p in home.folder.iterdir()
    ) == ["data", "nbs"]
    assert home.chip("run", "smoke").returncode == 0
    before = contents(home.folder)
    assert "0 of 2 phases would be run" in home.chip("run", "smoke", "--why").stdout
    told = home.chip("run", "smoke", "-p", "epochs=9", "--why")
    assert (
        told.returncode == 0
        and "10_first: the first: would be run (changed: settings: epochs)\n      epochs: 2 → 9\n"
        in told.stdout
    )
    assert "20_second: the second: would be run (an earlier phase is run again)" in told.stdout
    assert contents(home.folder) == before and home.steps() == ALL


def test_a_phase_must_leave_what_it_declares(home: Home):
    write_notebook(home.notebooks / "10_first.ipynb", "epochs: int = None", "")
    failed = home.chip("run", "smoke")
    assert (
        failed.returncode == 1
        and "10_first ended without having written tables/seen.csv" in failed.stderr
    )


def test_a_phase_must_not_touch_what_another_made(home: Home):
    write_notebook(
        home.notebooks / "20_second.ipynb",
        "",
        HEAD + "(run / 'tables' / 'seen.csv').write_text('mine')",
    )
    failed = home.chip("run", "smoke")
    assert (
        failed.returncode == 1
        and "20_second has changed tables/seen.csv, which an earlier phase made" in failed.stderr
    )


def test_memory_exhausted_is_told(home: Home):
    write_notebook(
        home.notebooks / "10_first.ipynb",
        "epochs: int = None",
        "import os\nos.kill(os.getpid(), 9)",
    )
    failed = home.chip("run", "smoke")
    assert (
        failed.returncode == 1
        and "its process was killed" in failed.stderr
        and failed.stderr.count("\n") == 1
    )
    assert (
        "10_first (the first) has failed in cell 3" in failed.stdout
        and "to carry on once this is put right: chip run smoke\n" in failed.stdout
    )


@pytest.mark.parametrize(
    "how, status", [(signal.SIGINT, 130), (signal.SIGTERM, 130), (signal.SIGKILL, -9)]
)
def test_interrupted_and_carried_on(home: Home, how: signal.Signals, status: int):
    (home.folder / "wait").write_text("")
    process = home.start("run", "smoke")
    wait_for((home.folder / "waiting").exists)
    kernels = psutil.Process(process.pid).children(recursive=True)
    assert kernels
    process.send_signal(how)
    out, err = process.communicate(timeout=30)
    assert process.returncode == status
    if status == 130:
        assert err == "chip: interrupted: run the same command again to carry on\n"
    (home.folder / "wait").unlink()
    second = home.chip("run", "smoke")
    assert second.returncode == 0, second.stderr
    assert "(carries on where it was interrupted)" in second.stdout
    assert home.steps() == ALL  # none of them twice
    wait_for(
        lambda: not any(k.is_running() and k.status() != psutil.STATUS_ZOMBIE for k in kernels), 10
    )
    other = Home(home.folder.parent / "other")
    assert other.chip("run", "smoke").returncode == 0 and other.tables() == home.tables()


def test_after_an_interruption_other_settings_start_over(home: Home):
    (home.folder / "wait").write_text("")
    process = home.start("run", "smoke")
    wait_for((home.folder / "waiting").exists)
    process.kill()
    process.communicate()
    (home.folder / "wait").unlink()
    assert "carries on" not in home.chip("run", "smoke", "-p", "epochs=7").stdout
    assert {
        p.read_text() for p in (home.folder / "data" / "runs" / "smoke" / "oneshot").iterdir()
    } == {"7"}


def test_two_at_once(home: Home):
    (home.folder / "wait").write_text("")
    process = home.start("run", "smoke")
    wait_for((home.folder / "waiting").exists)
    refused = home.chip("run", "smoke")
    assert (
        refused.returncode == 2 and f"is being worked on by process {process.pid}" in refused.stderr
    )
    (home.folder / "wait").unlink()
    assert home.chip("run", "smoke", "--name", "another").returncode == 0
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)


def test_bars_reach_a_terminal(home: Home):
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        home.words("run", "smoke"), env=home.environment, stdout=subprocess.DEVNULL, stderr=theirs
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            shown += (block := os.read(ours, 4096))
        except OSError:
            break  # the other end was closed
        if not block:
            break
    assert process.wait() == 0 and b"stepping: 100%" in shown
    executed = (
        home.folder / "data" / "runs" / "smoke" / "notebooks" / "10_first.ipynb"
    ).read_text()
    assert "stepping: " not in executed and "\\r" not in executed


def test_where_nothing_can_be_written(home: Home):
    (home.folder / "reports").write_text("a file in the way")
    refused = home.chip("run", "smoke")
    assert (
        refused.returncode == 2
        and "cannot write into" in refused.stderr
        and refused.stderr.count("\n") == 1
    )
    (home.folder / "reports").unlink()
    (home.folder / "reports").mkdir()
    (home.folder / "reports" / "smoke").write_text("a file in the way")
    assert home.chip("run", "smoke").returncode == 2
    if os.geteuid():
        (home.folder / "reports" / "smoke").unlink()
        (home.folder / "reports").chmod(0o500)
        assert home.chip("run", "smoke").returncode == 2
    assert not (home.folder / "data" / "runs" / "smoke" / "notebooks").exists()


@pytest.mark.parametrize(
    "words, says",
    [
        ("run dmeo", "did you mean 'demo'"),
        ("run smoke -p epoch=3", "did you mean 'epochs'"),
        ("run smoke -p epochs=lots", "expected a whole number"),
        ("runn", "did you mean 'run'"),
        ("run photos --images nowhere", "no such folder"),
        ("run photos --images empty", "is empty"),
        ("run photos --images stray", "stray file"),
        ("run photos --images stray/train/cat/1.jpg", "no such folder"),
        ("run --name a/b", "letters, digits"),
        ("report nothing", "there is no run"),
    ],
)
def test_misuse(home: Home, words: str, says: str):
    (home.folder / "empty").mkdir()
    (home.folder / "stray" / "train" / "cat").mkdir(parents=True)
    for name in ("stray/train/cat/1.jpg", "stray/train/2.jpg"):
        (home.folder / name).write_bytes(b"x")
    refused = home.chip(*words.split(), real=True, cwd=home.folder)
    assert (
        refused.returncode == 2
        and refused.stderr.startswith("chip: error: ")
        and refused.stderr.count("\n") == 1
    )
    assert says in refused.stderr and not (home.folder / "reports").exists()


def test_version_and_help(home: Home):
    assert re.fullmatch(r"chip \d+\.\d+\.\d+\n", home.chip("--version", real=True).stdout)
    assert (
        "profiles" in home.chip("--help", real=True).stdout
        and "--images" in home.chip("run", "--help", real=True).stdout
    )


@pytest.fixture(scope="module")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> Home:
    "A home with a finished run of profile smoke, through all of the study's own notebooks."
    home = Home(tmp_path_factory.mktemp("smoke") / "home")
    done = home.chip("run", "smoke", real=True)
    assert done.returncode == 0, done.stderr
    return home


def test_smoke(smoke: Home):
    import pandas as pd

    folder = smoke.folder / "reports" / "smoke"
    seen, placed, tree = (
        pd.read_csv(folder / "tables" / f"{name}.csv")
        for name in ("seen", "placements", "hierarchy")
    )
    assert (
        {"frozen", "paper"} <= set(seen["method"])
        and set(seen["level"]) == {0, 1, 2}
        and seen["top1"].between(0, 1).all()
    )
    assert (
        {"frozen", "paper"} <= set(placed["method"])
        and placed["slug"].nunique() == 4
        and len(tree) == 16
    )
    page = (folder / "index.html").read_text()
    for path in [
        *(folder / "figures").glob("*.png"),
        *(folder / "tables").glob("*.csv"),
        *(folder / "notebooks").glob("*.html"),
    ]:
        assert path.name in page, path
    embedded = list((folder / "figures").glob("*.png"))
    assert page.count("<img ") == len(embedded) > 0
    for path in folder.rglob("*"):
        if path.suffix not in (".png", "") and path.is_file():
            assert str(smoke.folder) not in path.read_text(), path


def test_smoke_again_does_nothing(smoke: Home):
    report = contents(smoke.folder / "reports" / "smoke")
    again = smoke.chip("run", "smoke", real=True)
    assert again.returncode == 0 and "(" not in "".join(
        l for l in again.stdout.splitlines() if l.startswith("[")
    )
    assert contents(smoke.folder / "reports" / "smoke") == report


def test_training_that_was_killed_and_carried_on_gives_the_same(
    smoke: Home, monkeypatch: pytest.MonkeyPatch
):
    "What Phase 2 leaves to the phases after it: its tables and its weights, byte for byte."
    other = Home(smoke.folder.parent / "killed")
    shutil.rmtree(other.folder / "data")
    shutil.copytree(smoke.folder / "data", other.folder / "data", symlinks=True)
    monkeypatch.setenv("CHIP_HOME", str(other.folder))
    clear_from(Run("smoke"), PHASES[:1], False, PHASES[1:])
    run = Path("data") / "runs" / "smoke"
    done = "20_oneshot.done.json"
    assert not (other.folder / run / done).exists()

    def trained() -> bool:
        return any((other.folder / run / "oneshot").rglob("*.safetensors"))

    for enough in (trained, (other.folder / run / done).exists):
        process = other.start("run", "smoke", real=True)
        wait_for(lambda e=enough, p=process: e() or p.poll() is not None, 600)
        assert process.poll() is None
        process.kill()
        said = process.communicate()[0]
    assert "(carries on where it was interrupted)" in said
    made = json.loads((smoke.folder / run / done).read_text())["outputs"]
    same = [name for name in made if name.endswith((".safetensors", ".parquet", "curves.csv"))]
    assert len(same) > 8 and any("/best.safetensors" in name for name in same)
    for name in same:
        ours, theirs = (home.folder / run / name for home in (other, smoke))
        assert ours.read_bytes() == theirs.read_bytes(), name


@pytest.mark.skipif(not (SHARED / "photos").is_dir(), reason="../shared/data/photos is not there")
@pytest.mark.long
def test_real_photographs(smoke: Home):
    import pandas as pd

    pictures = smoke.folder / "pictures"  # all unseen classes and every twelfth of the seen ones
    for split in ("train", "test", "unseen"):
        (pictures / split).mkdir(parents=True)
        kept = sorted((SHARED / "photos" / "train").iterdir())[::12]
        for folder in (SHARED / "photos" / split).iterdir():
            if split == "unseen" or folder.name in {k.name for k in kept}:
                (pictures / split / folder.name).symlink_to(folder)
    quick = [
        "size=112",
        "epochs=1",
        "unseen_epochs=1",
        "n_val=0",
        "restarts=1",
        "final_restarts=5",
        "k1_min=21",
        "k1_max=24",
        "loss=contrastive",
        "kin_encoders=efficientnet_lite0",
    ]  # a run that has no method 'paper' has all figures too
    done = smoke.chip(
        "run",
        "photos",
        "--images",
        str(pictures),
        *(w for q in quick for w in ("-p", q)),
        real=True,
    )
    assert done.returncode == 0, done.stderr
    placed = smoke.folder / "reports" / "photos" / "tables" / "placements.csv"
    table = pd.read_csv(placed)
    assert table["slug"].nunique() == 20 and {"frozen", "contrastive"} <= set(table["method"])
    seen = pd.read_csv(smoke.folder / "reports" / "photos" / "tables" / "seen.csv")
    assert {"start", "start_base"} <= set(table["method"]) & set(
        seen["method"]
    )  # trained on 96 pixels, embedded at 112
    differences = pd.read_csv(smoke.folder / "reports" / "photos" / "tables" / "differences.csv")
    assert {"frozen", "start"} <= set(
        differences.loc[differences["method"] == "contrastive", "against"]
    )
