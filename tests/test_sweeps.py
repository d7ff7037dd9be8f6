"Sweeps from outside: what is shared is done once, what is killed is carried on, what fails is named, and Ray does the same."

import json
import re
import signal
from collections import Counter
from pathlib import Path

import pandas as pd
import psutil
import pytest
from test_runs import HEAD, Home, wait_for, write_notebook

from chip.running.bench.sweep import bench_sweep

# says with which share of the machine it was run
SECOND = (
    HEAD
    + """
step("second " + os.environ.get("CUDA_VISIBLE_DEVICES", "-") + " " + os.environ.get("OMP_NUM_THREADS", "-"))
if margin == 2: raise ValueError("margin=2 is more than this notebook bears")
rows = [f"{m},0,1,{slug},5,{int(margin > .2 or m == 'frozen')},.25,3,4" for m in ("paper", "frozen") for slug in ("deer", "crow")]
(run / "tables" / "placements.csv").write_text("\\n".join(["method,seed,level,slug,n_images,right,chance,photos_right,photos_total", *rows]))
"""
)
GRID = ("sweep", "smoke", "-p", "epochs=3,4", "-p", "margin=0.1,0.5")


def new_home(folder: Path) -> Home:
    "A home whose second phase tells its share of the machine."
    home = Home(folder)
    write_notebook(home.notebooks / "20_second.ipynb", "margin: float = None", SECOND)
    return home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return new_home(tmp_path / "home")


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Home:
    "A home with a finished sweep of four points, two at a time, on two GPUs that there are not."
    home = new_home(tmp_path_factory.mktemp("swept") / "home")
    home.environment["CUDA_VISIBLE_DEVICES"] = "4,7"
    home.first = home.chip(*GRID, "--jobs", "2")
    return home


def steps(home: Home) -> Counter:
    "How often each step was done, in all runs together."
    return Counter(
        line.split()[0] + (" " + line.split()[1] if line.startswith("first") else "")
        for path in home.folder.glob("*.log")
        for line in path.read_text().splitlines()
    )


def table(home: Home, name: str, sweep: str = "smoke-sweep") -> pd.DataFrame:
    return pd.read_csv(home.folder / "reports" / sweep / "tables" / f"{name}.csv")


def test_what_is_shared_is_done_once_and_a_repetition_does_nothing(swept: Home):
    home, first = swept, swept.first
    assert first.returncode == 0, first.stderr
    assert steps(home) == {"first 0": 2, "first 1": 2, "first 2": 2, "second": 4}
    assert first.stdout.startswith(
        "sweep 'smoke-sweep': 4 points, 0 of them finished; 6 phases to run, 2 at a time\n"
    )
    assert (
        len(re.findall(r"^\[\d/4\] epochs=\d margin=0\.\d: ", first.stdout, re.MULTILINE)) == 4
        and first.stdout.count("\n") == 7
        and not first.stderr
    )
    shares = {
        line.split()[1]
        for path in home.folder.glob("*.log")
        for line in path.read_text().splitlines()
        if line.startswith("second")
    }
    assert shares <= {"4", "7"}

    folder = home.folder / "reports" / "smoke-sweep"
    assert len(table(home, "seen")) == 4 * 6 and set(table(home, "placements")["margin"]) == {
        0.1,
        0.5,
    }
    gain = table(home, "against_first").query(
        "setting == 'margin' and measure == 'placed' and method == 'paper'"
    )
    assert gain["difference"].tolist() == [1.0, 1.0] and set(
        table(home, "against_frozen").query("measure == 'placed'")["difference"]
    ) == {-1.0, 0.0}
    assert sorted(
        pd.read_parquet(
            home.folder / "data" / "sweeps" / "smoke-sweep" / "tables" / "seen.parquet"
        )["epochs"].unique()
    ) == [3, 4]
    results = pd.read_parquet(folder / "results.parquet")
    assert (
        list(results)
        == ["point", "epochs", "margin", "method", "seed", "level", "measure", "value"]
        and results["point"].nunique() == 4
    )
    assert (
        len(results) == len(pd.read_csv(folder / "results.csv"))
        and not results.drop(columns="value").duplicated().any()
    )
    page = (folder / "index.html").read_text()
    assert (
        page.count("<img ") == len(list((folder / "figures").glob("*.png"))) > 0
        and str(home.folder) not in page
    )
    for link in re.findall(r'(?:href|src)="([^"#][^"]*)"', page):
        assert link.startswith("data:") or (folder / link).is_file(), link

    before = {
        path: path.stat().st_mtime_ns
        for path in home.folder.rglob("*")
        if path.is_file() and path.name != ".lock"
    }
    again = home.chip(*GRID, "--jobs", "2")
    assert again.returncode == 0 and again.stdout.startswith(
        "sweep 'smoke-sweep': all 4 points are finished"
    )
    assert {
        path: path.stat().st_mtime_ns
        for path in home.folder.rglob("*")
        if path.is_file() and path.name != ".lock"
    } == before


def test_a_failing_point_is_named_and_the_rest_is_finished(home: Home):
    failed = home.chip("sweep", "smoke", "-p", "margin=0.1,2", "--name", "some", "--retries", "1")
    assert failed.returncode == 1 and failed.stderr.count("\n") == 1
    assert failed.stderr.startswith(
        "chip: error: 1 of 2 points failed: margin=2.0: 20_second failed: ValueError: margin=2 is more than this notebook bears (logs: "
    )
    assert steps(home) == {
        "first 0": 1,
        "first 1": 1,
        "first 2": 1,
        "second": 3,
    }  # what failed was tried twice
    assert table(home, "points", "some")["ended"].tolist() == ["well", "failed"] and set(
        table(home, "seen", "some")["margin"]
    ) == {0.1}
    assert "margin=2 is more than" in (home.folder / "reports" / "some" / "index.html").read_text()
    write_notebook(
        home.notebooks / "20_second.ipynb",
        "margin: float = None",
        SECOND.replace("margin == 2", "margin == 3"),
    )
    assert home.chip("sweep", "smoke", "-p", "margin=0.1,2", "--name", "some").returncode == 0
    assert steps(home)["first 0"] == 1 and set(table(home, "points", "some")["ended"]) == {"well"}


@pytest.mark.parametrize("how, status", [(signal.SIGTERM, 130), (signal.SIGKILL, -9)])
def test_killed_and_carried_on(home: Home, how: signal.Signals, status: int):
    words = ("sweep", "smoke", "-p", "margin=0.1,0.5")
    (home.folder / "wait").write_text("")
    process = home.start(*words)
    wait_for((home.folder / "waiting").exists)
    family = psutil.Process(process.pid).children(recursive=True)
    assert len(family) >= 2  # a point's process and its kernel
    process.send_signal(how)
    assert process.wait(30) == status
    (home.folder / "wait").unlink()
    second = home.chip(*words)
    assert second.returncode == 0, second.stderr
    assert steps(home) == {
        "first 0": 1,
        "first 1": 1,
        "first 2": 1,
        "second": 2,
    }  # none of them twice
    assert not psutil.wait_procs(family, 20)[1]


def test_a_device_that_is_named_sees_all_gpus(home: Home):
    write_notebook(
        home.notebooks / "20_second.ipynb",
        "margin: float = None\ndevice: str = None",
        SECOND.replace('+ " "', '+ " " + device + " "', 1),
    )
    home.environment["CUDA_VISIBLE_DEVICES"] = "4,7"
    assert home.chip("sweep", "smoke", "-p", "device=cpu,auto").returncode == 0
    said = {
        line
        for path in home.folder.glob("*.log")
        for line in path.read_text().splitlines()
        if line.startswith("second")
    }
    assert {line.rsplit(" ", 1)[0] for line in said} == {"second 4,7 cpu", "second 4 auto"}, said


@pytest.mark.ray
def test_the_same_through_ray(swept: Home, home: Home):
    pytest.importorskip("ray", reason="ray is not installed: pip install -e '.[ray]'")
    done = home.chip(*GRID, "--ray", "local", "--jobs", "2")
    assert done.returncode == 0, done.stderr
    assert steps(home) == {"first 0": 2, "first 1": 2, "first 2": 2, "second": 4}
    for name in ("seen", "placements", "summary", "against_first", "against_frozen", "at_a_glance"):
        pd.testing.assert_frame_equal(table(home, name), table(swept, name))
    record = json.loads((home.folder / "reports" / "smoke-sweep" / "sweep.json").read_text())
    assert record["failed"] == {} and record["varied"] == {"epochs": [3, 4], "margin": [0.1, 0.5]}


@pytest.mark.ray
def test_an_address_without_a_cluster(home: Home):
    pytest.importorskip("ray", reason="ray is not installed: pip install -e '.[ray]'")
    nowhere = home.chip(*GRID, "--ray", "127.0.0.1:1")
    assert (
        nowhere.returncode == 2
        and "no one answers there" in nowhere.stderr
        and nowhere.stderr.count("\n") == 1
    )
    assert not (home.folder / "reports").exists()


# computes nothing, and says what it was asked for
QUICK = """
rows = [f"{m},{seed},0,{t + unseen_lr},.1" for m, t in [(loss, .2), ("frozen", .9)]]
(run / "tables" / "seen.csv").write_text("\\n".join(["method,seed,level,top1,chance", *rows]))
"""


@pytest.mark.long
def test_the_benchmark_leaves_the_same_tables_each_way(home: Home):
    "One at a time, two at a time, and again."
    write_notebook(
        home.notebooks / "10_first.ipynb",
        "seed: int = None\nloss: str = None\nunseen_lr: float = None",
        HEAD + QUICK,
    )
    one_phase = [word.replace(', Phase("20_second", "the second")', ",") for word in home.words()]
    result = bench_sweep(4, one_phase)
    assert result["ratio"] > 0 and result["points"] == 4 and "cores" in result["device"]
    assert [row["way"] for row in result["rows"]] == ["one", "two", "two, repeated"]
