"Sweeps from inside: grids that are refused, phases lent or not, processes stopped, many at once."

import shutil
import socket
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

import pandas as pd
import psutil
import pytest
from test_runs import wait_for, write_notebook

from chip.core.settings import Run, SettingError
from chip.running import sweeps
from chip.running.runs import Contents, Phase, PhaseFailed, Refused, inputs_of, why_run
from chip.running.summaries import gather
from chip.running.sweeps import (
    Execution,
    Job,
    Result,
    State,
    ThisMachine,
    borrow,
    check_ray,
    do_job,
    do_remotely,
    inputs_by_point,
    labels_of,
    make_sweep,
    point_name,
    run_points,
    run_sweep,
    split_values,
    thread_environment,
    visible_gpus,
)

HEAD = """
import os, time
from pathlib import Path
home = Path(os.environ["CHIP_HOME"])
folder = home / "data" / "runs" / name
(folder / "tables").mkdir(parents=True, exist_ok=True)
with open(home / "steps.log", "a") as log: print(PHASE, file=log)
"""
FIRST = """
rows = ["method,seed,level,n_images,n_targets,top1,chance"]
for method, more in (("paper", 0), ("frozen", .2)):
    top1 = epochs / 10 + .01 * seed + more
    rows += [f"{method},{seed},{level},9,4,{top1:.3f},.25" for level in (0, 1)]
(folder / "tables" / "seen.csv").write_text("\\n".join(rows))
"""
SECOND = """
if margin == 2: raise ValueError("margin=2 is more than this notebook bears")
(folder / "tables" / "second.csv").write_text(f"method,margin\\npaper,{margin}\\n")
"""
SLOW = "(home / 'slow').write_text('')\ntime.sleep(60)"
BROKEN = "raise ValueError('nothing works')"
PHASES = (Phase("10_first", "the first", ("tables/seen.csv",)), Phase("20_second", "the second"))
OTHERS = {"30_slow": ("", SLOW), "05_broken": ("", BROKEN)}


class Place:
    "A project's folder with phases that take no time."

    def __init__(self, folder: Path):
        self.folder, self.notebooks = folder, folder / "nbs"
        (folder / "data" / "taxonomy").mkdir(parents=True)
        self.notebooks.mkdir()
        settings = "seed: int = None\nepochs: int = None"
        codes = {
            "10_first": (settings, FIRST),
            "20_second": ("margin: float = None", SECOND),
            **OTHERS,
        }
        for name, (parameters, code) in codes.items():
            head = HEAD.replace("PHASE", f"'{name}'")
            write_notebook(self.notebooks / f"{name}.ipynb", parameters, head + code)

    def steps(self) -> list[str]:
        "The phases that were run since the last time that this was asked, in order of their names."
        log = self.folder / "steps.log"
        lines = log.read_text().split() if log.exists() else []
        log.write_text("")
        return sorted(lines)

    def at(self, phases: Sequence[Phase] = PHASES) -> tuple[Phase, ...]:
        "Phases whose notebooks are here."
        return tuple(replace(phase, folder=self.notebooks) for phase in phases)

    def job(self, point, phases=PHASES, **changes) -> Job:
        return Job(point.name, point.settings, self.at(phases), "margins", **changes)

    def sweep(self, name: str, fresh: bool = False, **values: tuple) -> tuple[Path, list[str]]:
        "Run a sweep of the stand-ins: its page, and what it said."
        lines: list[str] = []
        execution = Execution(jobs=2, retries=0, fresh=fresh)
        sweep = make_sweep("smoke", values, name)
        return run_sweep(sweep, self.at(), execution, lines.append), lines


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setenv("CHIP_HOME", str(tmp_path))
    return Place(tmp_path)


@pytest.fixture
def margins(place: Place):
    return make_sweep("smoke", {"seed": (0, 1), "margin": (0.1, 0.5)}, "margins")


# ---- the grid ----


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("seed", "0,1,01", "1 stands there twice"),
        ("lr", "0.1,1e-1", "0.1 stands there twice"),
        ("seed", "4..0", "give 0..4"),
        ("lr", "0.1,,1", "without a value"),
        ("lr", "0..3", "expected a number"),
        ("sede", "0..3", "did you mean 'seed'"),
        ("epochs", "3,many", "epochs=many"),
        ("seed", "0..99999999", "100,000,000 values"),
    ],
)
def test_values_that_are_refused(name: str, text: str, message: str):
    with pytest.raises(SettingError, match=message):
        split_values(name, text)


def test_values():
    assert split_values("seed", "0..4") == (0, 1, 2, 3, 4)
    assert split_values("hierarchy", "") == ("",)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"lr": (0.1,)}, "use chip run"),
        ({}, "use chip run"),
        ({"seed": range(2000)}, "2,000 runs"),
        ({"seed": (0, 1), "n_seeds": (2,)}, "n_seeds=2 repeats"),
        ({"m_families": (8, 20)}, r"m_species=16 \(at the point m_families=20\)"),
    ],
)
def test_grids_that_are_refused(place: Place, values: dict, message: str):
    with pytest.raises((Refused, SettingError), match=message):
        make_sweep("smoke", values)


def test_small_folders_are_fitted_as_in_a_run(tmp_path, capsys):
    for i in range(5):
        picture = tmp_path / "train" / f"kind {i}" / "1.png"
        picture.parent.mkdir(parents=True)
        picture.write_bytes(b"")
    sweep = make_sweep("smoke", {"images": (str(tmp_path),), "seed": (0, 1)}, "few")
    assert {(p.settings.k1_min, p.settings.k1_max) for p in sweep.points} == {(3, 4)}
    assert capsys.readouterr().out == "5 classes: parents 3 to 4, super-parents 2\n"


def test_a_grid_can_grow_and_names_fit_into_folders(place: Place):
    small = make_sweep("smoke", {"lr": (0.001, 0.01), "seed": (0, 1)}, "rates")
    large = make_sweep("smoke", {"lr": (0.001, 0.005, 0.01), "seed": (0, 1)}, "rates")
    assert {p.name for p in large.points} > {p.name for p in small.points}
    name = point_name("files", {"hierarchy": "/a/b c.csv"})
    assert name.startswith("files.") and len(name) == 22 and "/" not in name
    paths = ["/a/one.csv", "/b/one.csv", "/b/two.csv"]
    assert list(labels_of(paths).values()) == ["one.csv (1)", "one.csv (2)", "two.csv"]
    assert labels_of([0.1, 1]) == {0.1: 0.1, 1: 1}


def test_what_does_not_differ_is_looked_at_once(
    place: Place, margins, monkeypatch: pytest.MonkeyPatch
):
    looks = []

    def counted(phase, *arguments):
        looks.append(phase.notebook)
        return inputs_of(phase, *arguments)

    monkeypatch.setattr(sweeps, "inputs_of", counted)
    inputs_by_point(margins.points, place.at(), Contents())
    assert sorted(looks) == ["10_first", "10_first", "20_second", "20_second"]


# ---- borrowing ----


def test_what_is_lent_and_what_is_not(place: Place, margins):
    first, second = margins.points[:2]
    inputs = inputs_by_point(margins.points, place.at(), Contents())[first.name]
    elsewhere = Run("elsewhere")
    lender = replace(place.job(first, PHASES[:1]), run="elsewhere")
    assert do_job(lender, {}, place.folder) == ""
    assert do_job(place.job(first), {}, place.folder) == ""
    assert place.steps() == ["10_first", "20_second"]
    table = Path("tables", "seen.csv")
    assert (elsewhere.folder / table).samefile(first.run.folder / table)
    assert (first.run.folder / "notebooks" / "10_first.ipynb").is_file()
    assert do_job(place.job(first), {}, place.folder) == "" and place.steps() == []  # both are kept
    assert not borrow(place.job(second, among=("gone",)), 0, inputs[0])
    (elsewhere.folder / table).write_text("by hand")
    assert (
        why_run(first.run, PHASES[0], inputs[0]) == "tables/seen.csv was changed by something else"
    )
    assert not borrow(place.job(second), 0, inputs[0])
    shutil.rmtree(elsewhere.folder)
    assert do_job(place.job(first), {}, place.folder) == ""  # both are made again
    assert place.steps() == ["10_first", "20_second"]


# ---- processes ----


def children(
    recursive: bool = False, others: Sequence[psutil.Process] = ()
) -> list[psutil.Process]:
    "What this process has started, but for what earlier tests have left."
    return [p for p in psutil.Process().children(recursive) if p not in others]


def test_a_job_that_fails_says_why(place: Place):
    others = children()
    bad = make_sweep("smoke", {"margin": (0.1, 2), "seed": (0,)}, "bad").points[1]
    error = do_job(place.job(bad, retries=1), {}, place.folder)
    assert error.startswith(
        "20_second failed: ValueError: margin=2 is more than this notebook bears ("
    )
    assert error.endswith("(tried 2 times)")
    assert place.steps() == ["10_first", "20_second", "20_second"]
    assert not children(others=others)


def test_a_job_that_is_stopped_leaves_nothing(place: Place, margins):
    stop, outcome, others = threading.Event(), [], children(recursive=True)
    job = place.job(margins.points[0], (Phase("30_slow", "slow"),))
    thread = threading.Thread(target=lambda: outcome.append(do_job(job, {}, place.folder, stop)))
    thread.start()
    wait_for((place.folder / "slow").exists)
    family = children(recursive=True, others=others)
    assert len(family) >= 2  # the point's process and its kernel
    stop.set()
    thread.join(60)
    assert outcome == ["stopped"]
    assert not psutil.wait_procs(family, 10)[1]
    assert do_job(job, {}, place.folder, stop) == "stopped"


def test_a_child_that_is_killed_is_named_and_leaves_nothing(place: Place, margins):
    outcome, others = [], children(recursive=True)
    job = place.job(margins.points[0], (Phase("30_slow", "slow"),))
    thread = threading.Thread(target=lambda: outcome.append(do_job(job, {}, place.folder)))
    thread.start()
    wait_for((place.folder / "slow").exists)
    family = children(recursive=True, others=others)
    children(others=others)[0].kill()
    thread.join(60)
    assert outcome == ["its process was killed by signal 9, often because memory ran out"]
    assert not psutil.wait_procs(family, 20)[1]


# ---- several at once ----


def test_each_job_has_its_share_of_the_machine(margins, place: Place, monkeypatch):
    seen = []
    monkeypatch.setattr(
        sweeps, "do_job", lambda job, environment, *_: seen.append(environment) or ""
    )
    jobs = [place.job(point) for point in margins.points[:3]]
    executor = ThisMachine(1, 2, ["4", "7"])
    for job, device in zip(jobs, ("auto", "cuda:1", "cpu"), strict=True):
        named = replace(job, settings=replace(job.settings, device=device))
        assert executor.submit(named).result() == Result()
    executor.close()
    assert [share.get("CUDA_VISIBLE_DEVICES") for share in seen] == ["4", None, None]
    assert {(share["OMP_NUM_THREADS"], share["OMP_WAIT_POLICY"]) for share in seen} == {
        ("2", "PASSIVE")
    }
    executor = ThisMachine(3, 1, ["0", "1"])
    gpus = sorted(executor.shares.get()["CUDA_VISIBLE_DEVICES"] for _ in range(3))
    executor.close()
    assert gpus == ["0", "0", "1"]
    assert set(thread_environment(4).values()) == {"4", "PASSIVE"}


@pytest.mark.parametrize(
    ("variable", "gpus"), [("", []), ("-1", []), ("2, 5", ["2", "5"]), ("GPU-8f", ["GPU-8f"])]
)
def test_visible_gpus(variable: str, gpus: list, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", variable)
    assert visible_gpus() == gpus


class ByHand:
    "An executor whose jobs end when the test says so."

    def __init__(self):
        self.futures: dict[str, Future] = {}

    def submit(self, job: Job) -> Future:
        return self.futures.setdefault(job.run, Future())

    def close(self) -> None:
        pass


def test_a_point_waits_for_what_another_is_at_work_on(place: Place, margins):
    state, executor, lines = State(margins, place.at()), ByHand(), []
    jobs = {point.name: place.job(point) for point in margins.points}
    a, b, c, d = (point.name for point in margins.points)
    outcome = []
    thread = threading.Thread(
        target=lambda: outcome.append(run_points(state, jobs, executor, 2, lines.append))
    )
    thread.start()
    wait_for(lambda: set(executor.futures) == {a, c})  # b waits for a, d for c
    assert do_job(place.job(margins.points[0], PHASES[:1]), {}, place.folder) == ""
    wait_for(lambda: set(executor.futures) == {a, b, c})  # a has its first phase
    executor.futures[c].set_result(Result("no luck"))
    wait_for(lambda: set(executor.futures) == {a, b, c, d})  # d tries for itself
    for name in (a, b, d):
        executor.futures[name].set_result(Result("stopped" if name == d else ""))
    thread.join(10)
    assert outcome == [{c: "no luck", d: "stopped"}]
    assert sorted(line.partition("] ")[2].partition(":")[0] for line in lines) == [
        "seed=0 margin=0.1",
        "seed=0 margin=0.5",
    ]


def test_the_time_left(place: Place, margins):
    state = State(margins, place.at())
    assert state.left(2) == "" and len(state.todo) == 6
    state.took = {0: [10.0], 1: [4.0]}
    assert state.left(2) == "about 18.0 s left"


# ---- many machines ----


@pytest.mark.ray
def test_addresses():
    pytest.importorskip("ray", reason="ray is not installed: pip install -e '.[ray]'")
    check_ray("local")
    with socket.create_server(("127.0.0.1", 0)) as server:
        check_ray(f"127.0.0.1:{server.getsockname()[1]}")
    with pytest.raises(Refused, match="no one answers there"):
        check_ray("127.0.0.1:1")


@pytest.mark.parametrize("address", ["nonsense", "a:99999", "local:", "ray://x"])
def test_addresses_that_are_none(address: str):
    with pytest.raises(Refused, match="expected HOST:PORT"):
        check_ray(address)


def test_a_machine_that_shares_the_folder_and_one_that_does_not(
    place: Place, margins, monkeypatch: pytest.MonkeyPatch
):
    first, second = margins.points[:2]
    margins.path("word").write_text("abc")
    near = do_remotely(place.job(first, word="abc"), {})
    assert near == Result() and place.steps() == ["10_first", "20_second"]
    far = place.folder / "far"
    (far / "data").mkdir(parents=True)
    job = place.job(second, word="another")
    bad = replace(job, run="margins.bad", settings=replace(job.settings, margin=2.0))
    monkeypatch.setenv("CHIP_HOME", str(far))
    carried, failed = do_remotely(job, {}), do_remotely(bad, {})
    monkeypatch.setenv("CHIP_HOME", str(place.folder))
    (second.run.path("tables", "old.csv")).write_text("what was there is replaced")
    for result, one in ((carried, job), (failed, bad)):
        future = Future()
        future.set_result(result)
        error = sweeps._received(future, one)
        assert error == (
            ""
            if one is job
            else "20_second failed: ValueError: margin=2 is more than this notebook bears"
        )
    inputs = inputs_by_point([second], place.at(), Contents())[second.name]
    assert [why_run(second.run, *pair) for pair in zip(PHASES, inputs, strict=True)] == ["", ""]
    assert not (second.run.folder / "tables" / "old.csv").exists()
    reason = Run("margins.bad").folder / "notebooks" / "20_second.failed.txt"
    assert "more than this notebook bears" in reason.read_text()
    assert (margins.folder / "logs" / "margins.bad.txt").exists()


def test_an_executor_that_gives_up(place: Place, margins):
    future = Future()
    future.set_exception(RuntimeError("the machine went away\nand more"))
    assert (
        sweeps._received(future, place.job(margins.points[0]))
        == "it was given up: the machine went away"
    )


# ---- whole sweeps ----


def test_whole_sweeps(place: Place):
    page, lines = place.sweep("whole", epochs=(4, 5))
    assert place.steps() == ["10_first"] * 2 + ["20_second"] * 2
    assert lines[0] == "sweep 'whole': 2 points, 0 of them finished; 4 phases to run, 2 at a time"
    assert len(lines) == 3
    built = {path: path.stat().st_mtime_ns for path in page.parent.rglob("*")}
    assert place.sweep("whole", epochs=(4, 5))[1] == [] and place.steps() == []
    assert {path: path.stat().st_mtime_ns for path in page.parent.rglob("*")} == built
    place.sweep("whole", fresh=True, epochs=(4, 5))
    assert place.steps() == ["10_first"] * 2 + ["20_second"] * 2
    place.sweep("other", fresh=True, epochs=(4, 5))  # it borrows nothing either
    assert place.steps() == ["10_first"] * 2 + ["20_second"] * 2
    failure = (
        r"1 of 2 points failed: margin=2.0: 20_second failed: ValueError: "
        r"margin=2 is more than this notebook bears \(logs"
    )
    with pytest.raises(PhaseFailed, match=failure):
        place.sweep("partly", epochs=(4,), margin=(0.2, 2.0))
    assert place.steps() == ["20_second"] * 2
    reports = place.folder / "reports"
    points = pd.read_csv(reports / "partly" / "tables" / "points.csv")
    assert points["ended"].tolist() == ["well", "failed"]
    tables = place.folder / "data" / "sweeps" / "whole" / "tables"
    assert set(pd.read_parquet(tables / "seen.parquet")["epochs"]) == {4, 5}
    assert str(place.folder) not in (reports / "partly" / "index.html").read_text()
    with pytest.raises(Refused, match=r"no phase reads lr: .* \(at the point lr=0.2\)"):
        place.sweep("unread", lr=(0.2, 0.3))


def test_a_first_phase_that_fails_fails_all_points(place: Place):
    sweep = make_sweep("smoke", {"margin": (0.1, 0.2)}, "none")
    phases = (Phase("05_broken", ""), PHASES[1])
    with pytest.raises(PhaseFailed, match="2 of 2 points failed: .*nothing works.*nothing works"):
        run_sweep(sweep, place.at(phases), Execution(retries=0), lambda line: None)


def test_the_tables_of_all_points(place: Place, margins):
    for point in margins.points[:2]:
        folder = point.run.folder / "tables"
        folder.mkdir(parents=True)
        (folder / "seen.csv").write_text(f"method,seed,top1\npaper,{point.settings.seed},.5\n")
        (folder / "second.csv").write_text("method,margin\npaper,7\n")
        (folder / "empty.csv").write_text("\n")
    tables = gather(
        (point.run.folder, {"point": point.name, **point.values}) for point in margins.points[:2]
    )
    assert list(tables) == ["second", "seen"]
    assert list(tables["seen"]) == ["point", "margin", "method", "seed", "top1"]  # it knew its seed
    assert list(tables["second"]) == ["point", "seed", "set_margin", "method", "margin"]
    assert len(tables["seen"]) == 2
