"The runner's parts: what a phase depends on, what is remembered and cleared, locks, kernels, failures and checks."

import asyncio
import io
import json
import logging
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import nbformat
import pandas as pd
import psutil
import pyarrow
import pytest
from pyarrow import parquet

from chip.core.settings import Run, changed_settings, fit_folder, make_settings, save_settings
from chip.data.places import project_root
from chip.running import runs
from chip.running.runs import (
    PHASES,
    Contents,
    PeakMemory,
    Phase,
    PhaseFailed,
    Progress,
    Refused,
    Relay,
    check_classes,
    check_encoder,
    check_free,
    check_images,
    check_made,
    check_run,
    check_writable,
    circumstances,
    clear_from,
    code_of,
    default_name,
    digest,
    engine_kind,
    expected_seconds,
    files_of,
    files_read,
    files_to_make,
    forget,
    git_state,
    inputs_of,
    locked,
    marker_path,
    modules_used,
    packaged_weights,
    plan_run,
    read_marker,
    resume_command,
    rough,
    run_phases,
    what_changed,
    why_run,
    write_marker,
)

SMOKE = make_settings("smoke")
HEAD = """
import os, sys
from pathlib import Path
folder = Path(os.environ["CHIP_HOME"], "data", "runs", name, "tables")
folder.mkdir(parents=True, exist_ok=True)
"""
FIRST = HEAD + (
    "print('working', end='\\r', file=sys.stderr)\n"
    "(folder / 'first.csv').write_text(f'epochs\\n{epochs}\\n')"
)
SECOND = HEAD + "(folder / 'second.csv').write_text((folder / 'first.csv').read_text())"
TWO = (
    Phase("10_first", "the first", ("tables/first.csv",)),
    Phase("20_second", "the second", ("tables/second.csv",)),
)


def write_notebook(folder: Path, name: str, parameters: str, code: str) -> None:
    "A phase's notebook: its parameters, a line of prose, a cell."
    first = f"profile: str = 'smoke'\nname: str = ''\n{parameters}"
    cells = [
        nbformat.v4.new_code_cell(first, metadata={"tags": ["parameters"]}),
        nbformat.v4.new_markdown_cell("## Prose\n\nIt changes nothing."),
        nbformat.v4.new_code_cell(code),
    ]
    kernel = {"kernelspec": {"name": "python3", "language": "python", "display_name": "python3"}}
    notebook = nbformat.v4.new_notebook(cells=cells, metadata=kernel)
    nbformat.write(notebook, folder / f"{name}.ipynb")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CHIP_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def run(home: Path) -> Run:
    return Run("a-run")


@pytest.fixture
def notebooks(home: Path) -> Path:
    folder = home / "nbs"
    folder.mkdir()
    write_notebook(folder, "10_first", "epochs: int = None", FIRST)
    write_notebook(folder, "20_second", "margin: float = None", SECOND)
    return folder


@pytest.fixture
def two(notebooks: Path) -> tuple[Phase, ...]:
    return tuple(replace(phase, folder=notebooks) for phase in TWO)


# what a phase depends on


def test_prose_and_missing_notebooks(two: tuple[Phase, ...]):
    assert "Prose" not in code_of(two[0].path)
    with pytest.raises(Refused, match="pip install -e"):
        _ = Phase("11_none", "", folder=two[0].folder).path


def test_modules_are_followed_through_folders(tmp_path: Path):
    (tmp_path / "d").mkdir()
    for name, text in {
        "a": "from .b import x",
        "b": "import os\nfrom .d import e",
        "c": "",
        "d/e": "from ..a import (\n    y,\n)\nfrom .f import z",
        "d/f": "",
    }.items():
        (tmp_path / f"{name}.py").write_text(text)
    source = "%matplotlib\nimport numpy\nfrom chip.a import z"
    assert list(modules_used(source, tmp_path)) == ["a", "b", "d.e", "d.f"]
    assert list(modules_used("def f():\n    import chip.d.f", tmp_path)) == ["d.f"]
    assert "core.settings" in modules_used("from chip.core.study import Study")
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1}) != digest({"a": 1, "b": 3})


@pytest.fixture
def picture(home: Path) -> Path:
    path = home / "images" / "train" / "cat" / "2.jpg"
    path.parent.mkdir(parents=True)
    (path.parent / "1.jpg").write_text("one")
    path.write_text("two")
    return path


def looked_at(home: Path) -> str:
    return Contents().folder(str(home / "images"))


def test_pictures_count_by_content(home: Path, picture: Path):
    before = looked_at(home)
    assert looked_at(home) == before
    picture.unlink()
    assert looked_at(home) != before
    picture.write_text("two")
    assert looked_at(home) == before
    old = time.time_ns() - 10**11
    os.utime(picture, ns=(old, old))
    assert looked_at(home) == before  # touched
    picture.write_text("2nd")
    os.utime(picture, ns=(old, old))
    assert looked_at(home) != before  # size and times as before
    files = [str(picture), str(picture.with_name("1.jpg")), "random"]
    assert len({Contents().file(path) for path in files}) == 3 and Contents().file("random") == ""


def test_what_is_remembered_is_not_read_again(home: Path, picture: Path):
    time.sleep(1.1)  # a file that was just changed is not remembered
    contents = Contents()
    now = contents.folder(str(home / "images"))
    contents.keep()
    (memory,) = (home / "data" / "cache" / "contents").glob("*.parquet")
    kept = parquet.read_table(memory)
    assert kept["path"].to_pylist() == ["train/cat/1.jpg", "train/cat/2.jpg"]
    assert looked_at(home) == now
    parquet.write_table(kept.set_column(5, "sha256", pyarrow.array(["a", "b"])), memory)
    assert looked_at(home) != now  # it is believed
    memory.write_text("not parquet")
    assert looked_at(home) == now


def test_inputs(notebooks: Path, two: tuple[Phase, ...], monkeypatch: pytest.MonkeyPatch):
    inputs = inputs_of(two[0], SMOKE, "")
    assert inputs["settings"] == {"profile": "smoke", "epochs": SMOKE.epochs}
    assert what_changed(inputs, inputs) == ""
    assert what_changed(inputs, inputs_of(two[0], SMOKE, "x")) == "earlier phase"
    assert set(files_read("data/taxonomy/*.csv")) <= set(inputs["files"])
    many = {**inputs, "code": {f"module{i}": "" for i in range(9)}}
    assert "more" in what_changed(inputs, many) and len(what_changed(inputs, many)) < 100

    write_notebook(notebooks, "15_encodes", "encoder: str = None", "")
    phase, other = Phase("15_encodes", "encodes", folder=notebooks), notebooks / "weights.pth"
    other.write_bytes(b"others")
    before, weights = inputs_of(phase, SMOKE, ""), packaged_weights()
    assert len(weights) == 3 and all(path.is_file() for path in weights.values())
    swapped = {name: other if "lite0" in name else path for name, path in weights.items()}
    monkeypatch.setattr(runs, "packaged_weights", lambda: swapped)
    changed = what_changed(before, inputs_of(phase, SMOKE, ""))
    assert changed.startswith("files: efficientnet-lite0")


def test_what_the_audit_reads(home: Path):
    phase, file = PHASES[-1], home / "data" / "authors" / "few_shot_mapping.csv"
    file.parent.mkdir(parents=True)
    without = inputs_of(phase, SMOKE, "")
    file.write_text("slug\n")
    with_it = inputs_of(phase, SMOKE, "")
    assert what_changed(without, with_it) == "files: home:data/authors/few_shot_mapping.csv"
    studies = (project_root() / "reports" / "studies").rglob("*.csv")
    assert {str(p.relative_to(project_root())) for p in studies} <= set(without["files"])


def test_engines_are_told_without_an_address():
    engines = [engine_kind(engine) for engine in ("local", "ray", "auto", "head.example:6379")]
    assert engines == ["local", "ray", "ray", "ray"]


# remembering


def record(run: Run, inputs: dict, outputs: dict) -> dict:
    return {"inputs": inputs, "fingerprint": digest(inputs), "outputs": outputs}


def test_why_a_phase_is_run(run: Run, two: tuple[Phase, ...]):
    inputs = inputs_of(two[0], SMOKE, "")
    run.path("tables", "first.csv").write_text("a\n1\n")
    assert why_run(run, TWO[0], inputs) == "not run yet"
    write_marker(run, TWO[0], "done", record(run, inputs, files_of(run)))
    assert list(files_of(run)) == ["tables/first.csv"] and why_run(run, TWO[0], inputs) == ""
    assert why_run(run, TWO[0], {**inputs, "pictures": "others"}) == "changed: pictures"
    run.path("tables", "second.csv").write_text("of an interrupted second phase")
    clear_from(run, TWO[:1], True, TWO[1:])
    assert list(files_of(run)) == ["tables/first.csv", "tables/second.csv"]
    clear_from(run, TWO[:1], False, TWO[1:])
    assert list(files_of(run)) == ["tables/first.csv"]
    run.path("tables", "first.csv").write_text("a\n2\n")
    assert why_run(run, TWO[0], inputs) == "tables/first.csv was changed by something else"
    run.path("tables", "first.csv").unlink()
    assert why_run(run, TWO[0], inputs) == "tables/first.csv is missing"
    write_marker(run, TWO[0], "started", {"fingerprint": digest(inputs)})
    assert why_run(run, TWO[0], inputs) == "carries on where it was interrupted"
    forget(run)
    assert list(run.folder.iterdir()) == []


@pytest.mark.parametrize("text", ["", "{", "[]", "7", '{"inputs": {}}', '{"outputs": {}}'])
def test_a_record_of_another_form_is_none(run: Run, two: tuple[Phase, ...], text: str):
    for kind in ("done", "started"):
        marker = marker_path(run, TWO[0], kind)
        marker.parent.mkdir(parents=True, exist_ok=True)
        marker.write_text(text)
        assert read_marker(run, TWO[0], kind) is None
    assert [step.reason for step in plan_run(SMOKE, run, two)] == ["not run yet"] * 2


def test_a_record_of_the_former_layout_is_known(run: Run, two: tuple[Phase, ...]):
    "Modules were called images, not data.images; that is told in few words."
    inputs = inputs_of(two[0], SMOKE, "")
    former = {**inputs, "code": {f"module{i}": "0" * 16 for i in range(20)}}
    write_marker(run, TWO[0], "done", record(run, former, {}))
    (step, _) = plan_run(SMOKE, run, two)
    assert step.reason == "changed: code: module0, module1, module2, module3, 16 more"


def test_rows_of_several_phases(run: Run):
    "A table to which a later phase adds rows is not 'changed by something else', and loses them with it."
    inputs, seen = {"notebook": ""}, run.folder / "tables" / "seen.csv"
    run.save_rows(pd.DataFrame({"method": ["paper"]}), "seen", TWO[0].notebook)
    write_marker(run, TWO[0], "done", record(run, inputs, files_of(run)))
    alone, owned = seen.read_text(), files_of(run)
    run.save_rows(pd.DataFrame({"method": ["kin"]}), "seen", TWO[1].notebook)
    outputs = runs._outputs(run, TWO[1], owned)  # not refused
    assert set(outputs) == {"rows/seen.20_second.parquet", *runs.joined_files(run)}
    write_marker(run, TWO[1], "done", record(run, inputs, outputs))
    assert [why_run(run, phase, inputs) for phase in TWO] == ["", ""]
    clear_from(run, TWO[:1], False, TWO[1:])
    assert seen.read_text() == alone and why_run(run, TWO[0], inputs) == ""
    run.save_rows(pd.DataFrame({"method": ["kin"]}), "seen", TWO[1].notebook)  # and killed
    assert why_run(run, TWO[0], inputs) == ""
    clear_from(run, (), False, TWO)
    assert not files_of(run)


# locks and kernels


def test_a_run_is_held_by_one_process(run: Run):
    with (
        locked(run),
        pytest.raises(Refused, match=f"by process {os.getpid()}: wait for it"),
        locked(run),
    ):
        pass
    with locked(run):
        pass
    assert not (run.folder / ".lock.pid").exists()


def test_what_a_killed_run_left_is_ended(run: Run):
    environment = {**os.environ, "CHIP_RUN": str(run.folder)}
    code = "import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']); time.sleep(60)"
    kernel = subprocess.Popen([sys.executable, "-c", code], env=environment)
    until = time.monotonic() + 30
    while not (children := psutil.Process(kernel.pid).children()) and time.monotonic() < until:
        time.sleep(0.05)
    run.path(".lock.pid").write_text("999999\n")
    with locked(run):
        kernel.wait(10)
        psutil.wait_procs(children, 10)
        assert not any(child.is_running() for child in children)


def test_memory():
    with PeakMemory([psutil.Process()], every=0.01) as peak:
        assert peak.held(exact=False) >= peak.held(exact=True) > 10_000_000
        until = time.monotonic() + 20
        while not peak.bytes and time.monotonic() < until:
            time.sleep(0.01)
        first, more = peak.bytes, b"x" * 200_000_000
        while peak.bytes < first + 150_000_000 and time.monotonic() < until:
            time.sleep(0.01)
    assert first > 10_000_000 and peak.bytes >= first + 150_000_000 and more  # what comes is seen


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_how_long_it_takes(run: Run, monkeypatch: pytest.MonkeyPatch):
    first, second = TWO
    record = {"fingerprint": "f", "inputs": {}, "outputs": {}, "seconds": 100.0}
    save_settings(Run("before"), make_settings("smoke"))
    write_marker(Run("before"), first, "done", record)
    save_settings(Run("another"), make_settings("demo"))
    write_marker(Run("another"), second, "done", record)
    assert expected_seconds(SMOKE, run, TWO) == {first.notebook: 100, second.notebook: 100}
    assert expected_seconds(make_settings("smoke"), run, [PHASES[0]]) == {"10_hierarchy": 0}
    one, two = PHASES[:2]
    for phase in (one, two):
        write_marker(Run("before"), phase, "done", record)
    more = make_settings("smoke", n_seeds=3, epochs=4)  # instead of 1 and 2
    assert expected_seconds(more, run, (one, two)) == {one.notebook: 100, two.notebook: 600}
    demo = expected_seconds(make_settings("demo"), run, PHASES)  # kept with the code
    assert all(demo.values())


def test_the_rest_goes_at_this_machines_rate(monkeypatch: pytest.MonkeyPatch):
    now, said, terminal = [0.0], [], Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    progress = Progress({"a": 60, "b": 120, "c": 60}, said.append, lambda: now[0])
    assert progress.left() == 240
    now[0] = 30
    assert progress.left() == 210
    now[0] = 120
    progress.done("a")
    assert progress.left() == 360  # it takes twice as long here
    now[0] = 180
    assert progress.text() == "b: ━━━─────── about 5 min left"
    progress.write("\r 40%|####      |")
    progress.write("\n")
    assert terminal.getvalue() == f"\r\033[K{progress.text()} | 40%|####      |"
    now[0] = 1000  # longer than ever
    assert progress.left() == 120
    assert Progress({"a": 0, "b": 5}, said.append, lambda: 0).left() is None
    assert (rough(3), rough(47), rough(100), rough(7300)) == ("10 s", "50 s", "2 min", "2 h 2 min")


def test_bars_leave_no_debris():
    out = io.StringIO()
    relay = Relay(out)
    for text in ["\r 50%|##  |", "\r100%|####|", "\n", "a warning\n"]:
        relay.write(text)
    assert out.getvalue() == "a warning\n"
    assert runs._REDRAWN.sub("", "one\n\r 1%\r 2%\ntwo\n") == "one\ntwo\n"


class CellExecutionError(Exception):
    "As nbclient's."


def complaints(error: Exception) -> list[str]:
    "What an event loop says of an error that nobody waits for."
    heard, loop, listener = [], asyncio.new_event_loop(), logging.Handler()
    listener.emit = lambda record: heard.append(record.getMessage())
    logging.getLogger("asyncio").addHandler(listener)
    try:
        loop.call_exception_handler(
            {"message": "Task exception was never retrieved", "exception": error}
        )
    finally:
        logging.getLogger("asyncio").removeHandler(listener)
        loop.close()
    return heard


def test_a_cell_that_was_given_up_is_not_complained_of():
    assert complaints(CellExecutionError("interrupted")) == []
    assert complaints(ValueError("a real one")) == ["Task exception was never retrieved"]


# running


def test_what_a_phase_has_to_leave(run: Run):
    maker = Phase("30_maker", "makes", ("tables/*.csv",), makes_of=(("unseen", "placed.parquet"),))
    table, placed = run.path("tables", "x.csv"), run.path("placed.parquet")

    def refused(says: str) -> None:
        with pytest.raises(PhaseFailed, match=says):
            check_made(run, maker)

    refused(r"without having written tables/\*.csv")
    table.write_text("a\n")
    refused("has written tables/x.csv without rows")
    table.write_text("a\n1\n")
    check_made(run, maker)  # no pictures: nothing else is asked for
    for splits, needed in [(["train", "test"], False), (["train", "unseen", "unseen"], True)]:
        pd.DataFrame({"split": splits}).to_parquet(run.path("pictures.parquet"))
        assert ("placed.parquet" in files_to_make(run, maker)) == needed
    refused("without having written placed.parquet")
    pd.DataFrame({"slug": []}).to_parquet(placed)
    refused("placed.parquet without rows")
    placed.write_bytes(b"")
    refused("placed.parquet without rows")
    table.write_bytes(b"\xff\xfe\n1\n")
    refused("x.csv without rows")


def test_runs_again(run: Run, two: tuple[Phase, ...]):
    lines: list[str] = []

    def outcomes(settings) -> list[str]:
        return [o.reason for o in run_phases(settings, run, two, say=lines.append)]

    def planned(settings, **kw) -> list[str]:
        return [step.reason for step in plan_run(settings, run, two, **kw)]

    assert outcomes(SMOKE) == ["not run yet"] * 2
    first, second = (read_marker(run, phase) for phase in TWO)
    assert list(first["outputs"]) == ["tables/first.csv"] and first["peak_memory"] > 10_000_000
    assert list(second["outputs"]) == ["tables/second.csv"]
    executed = nbformat.read(run.folder / "notebooks" / "10_first.ipynb", as_version=4)
    outputs = [output for cell in executed.cells for output in cell.get("outputs", [])]
    assert not [output for output in outputs if output.output_type == "stream"]  # the bar's debris
    os.utime(run.folder / "tables" / "first.csv", ns=(1, 1))  # as in a copied project
    assert outcomes(SMOKE) == ["", ""]
    assert outcomes(replace(SMOKE, margin=0.2)) == ["", "changed: settings: margin"]
    both = replace(SMOKE, epochs=3, margin=0.3)
    steps = plan_run(both, run, two)
    assert [step.changed for step in steps] == [("epochs: 2 → 3",), ("margin: 0.2 → 0.3",)]
    assert planned(both, fresh=True) == ["--fresh forgets it"] * 2
    reasons = planned(both)
    assert reasons == [
        "changed: settings: epochs",
        "changed: settings: margin; an earlier phase is run again",
    ]
    assert outcomes(both) == reasons and planned(both) == ["", ""]
    (run.folder / "tables" / "first.csv").unlink()
    assert planned(both) == ["tables/first.csv is missing", "an earlier phase is run again"]


def test_a_phase_takes_the_time_of_all_its_attempts(run: Run, two: tuple[Phase, ...], monkeypatch):
    inputs, whole = inputs_of(two[0], SMOKE, ""), runs.execute

    def broken_off(*_) -> int:
        time.sleep(0.3)
        raise KeyboardInterrupt

    monkeypatch.setattr(runs, "execute", broken_off)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            runs.run_next(run, two, 0, SMOKE, inputs)
    assert 0.6 <= read_marker(run, two[0], "started")["seconds"] < 60
    monkeypatch.setattr(runs, "execute", whole)
    assert runs.run_next(run, two, 0, SMOKE, inputs)["seconds"] > 0.6
    assert read_marker(run, two[0], "started") is None


def test_a_failure_on_one_screen(run: Run, notebooks: Path, two: tuple[Phase, ...]):
    write_notebook(notebooks, "20_broken", "", "raise ValueError('n_shot=5 but a has 3 images')")
    lines: list[str] = []
    others = {process.pid for process in psutil.Process().children()}  # of other tests
    message = "20_broken failed: ValueError: n_shot=5 but a has 3 images"
    with pytest.raises(PhaseFailed, match=message) as caught:
        phases = (two[0], Phase("20_broken", "breaks", folder=notebooks))
        run_phases(SMOKE, run, phases, say=lines.append)
    assert "\n" not in str(caught.value)
    summary = (run.folder / "notebooks" / "20_broken.failed.txt").read_text()
    assert summary == caught.value.summary and len(summary.splitlines()) <= 24
    assert lines[-1].strip() == summary.strip()
    for part in (
        "20_broken (breaks) has failed in cell 3, under 'Prose':",
        "    ValueError: n_shot=5 but a has 3 images\n",
        "----> 1 raise ValueError",
        "chip run smoke --name a-run",
    ):
        assert part in summary, summary
    assert "ValueError" in (run.folder / "notebooks" / "20_broken.ipynb").read_text()
    assert {process.pid for process in psutil.Process().children()} <= others


def test_a_notebook_is_given_what_it_shows_and_what_was_changed(run: Run):
    settings = make_settings("smoke", k1_max=7, epochs=9)
    given = runs._given(PHASES[0], settings, run)
    assert given["k1_max"] == 7 and "k1_min" not in given and "epochs" not in given
    assert given["name"] == "a-run" and given["profile"] == "smoke"
    assert make_settings(**{k: v for k, v in given.items() if k != "name"}) == replace(
        settings, epochs=2
    )


def test_circumstances_name_no_folder(tmp_path: Path):
    assert git_state(tmp_path) == {"commit": None, "dirty": None}
    found = circumstances()
    assert found["hardware"]["cores"] >= 1 and found["packages"]["torch"]
    assert isinstance(found["hardware"]["instruction_set"], str)
    assert str(project_root()) not in json.dumps(found)


# checks


@pytest.mark.parametrize(
    "values, n_pictures, says",
    [
        ({"k1_max": 16}, 0, "k1_max=16 parents, but there are 16 classes: at most 15"),
        ({"k1": 20}, 0, "k1=20 parents"),
        ({"k1": 3}, 0, "k2_max=3 super-parents need more than k1=3"),
        ({"n_shot": 4}, 3, "n_shot=4 but class 'class0' has 3"),
        ({"m_size": 48}, 3, "so m_size would change nothing"),
        ({}, 0, ""),
        ({"pooling": "majority", "k1_max": 30}, 0, ""),
        ({"k1_max": 15}, 0, ""),
    ],
)
def test_classes(values: dict, n_pictures: int, says: str):
    pictures = {f"class{i}": n_pictures for i in range(20)} if n_pictures else {}
    settings = make_settings("smoke", **values)
    if not says:
        return check_classes(settings, pictures)
    with pytest.raises(Refused, match=says):
        check_classes(settings, pictures)


@pytest.mark.parametrize(
    "values, says",
    [
        ({"encoder": "restnet152"}, "did you mean 'resnet152'"),
        ({"weights": "mine"}, "none of: pretrained, random"),
        ({"size": 20}, "at least 32 pixels"),
        ({"kin_encoders": "efficientnet_lite0+resnet19"}, "did you mean 'resnet1"),
        ({"device": "gpu"}, "use auto, cpu"),
    ],
)
def test_encoders(values: dict, says: str):
    with pytest.raises(Refused, match=says):
        check_encoder(make_settings("smoke", **values))


@pytest.mark.parametrize(
    "text, values, says",
    [
        ("wnid,parent\na,1\n", {}, "lacks the column super_parent"),
        ("wnid,parent,super_parent\na,1,1\na,1,1\n", {}, "lists 'a' twice"),
        ("", {}, "cannot be read"),
        ("wnid,parent,super_parent\na,1,1\n", {}, "lacks 20 of the 20 classes"),
        ("", {"k1": 4}, "a hierarchy is given, so k1 would change nothing"),
    ],
)
def test_hierarchies(tmp_path: Path, text: str, values: dict, says: str):
    given = tmp_path / "given.csv"
    given.write_text(text)
    pictures = {f"class{i}": 3 for i in range(20)}
    with pytest.raises(Refused, match=says):
        check_classes(make_settings("smoke", hierarchy=str(given), **values), pictures)


def test_folders(home: Path, picture: Path):
    check_writable(home / "new" / "folder")
    (home / "file").write_text("")
    with pytest.raises(Refused, match="cannot write into"):
        check_writable(home / "file")
    check_images(str(home / "images"))
    (picture.parent.parent / "stray.jpg").write_text("")
    with pytest.raises(Refused, match="1 stray file in .* such as train/stray.jpg: move it"):
        check_images(str(home / "images"))
    (home / "empty").mkdir()
    with pytest.raises(Refused, match="is empty"):
        check_images(str(home / "empty"))


def test_what_fits_the_folder_need_not_be_said(home: Path, picture: Path):
    (picture.parent.parent / "another").mkdir()
    given = make_settings("photos", images=str(home / "images"), epochs=9)
    settings = fit_folder(given, lambda line: None)
    assert (settings.k1_max, settings.prototype) == (2, "images")
    again = f"chip run photos --images {home / 'images'} -p epochs=9"
    assert resume_command(settings, Run("photos")) == again
    assert "k1_max=3" in resume_command(replace(settings, k1_max=3), Run("photos"))


def test_a_setting_that_no_phase_reads(run: Run, two: tuple[Phase, ...]):
    with pytest.raises(Refused, match="no phase reads lr"):
        check_run(make_settings("smoke", lr=0.5, epochs=3), run, two)


def test_reports_of_another_kind_and_reference_runs(home: Path, two: tuple[Phase, ...]):
    report = home / "reports" / "demo"
    report.mkdir(parents=True)
    assert default_name("demo") == "demo"
    for text, name in (
        ("{}", "demo"),
        ("not JSON", "demo"),
        ("[]", "demo"),
        ('{"reference": true}', "my_demo"),
    ):
        (report / "run.json").write_text(text)
        assert default_name("demo") == name
    demo = make_settings("demo")
    assert resume_command(demo, Run("demo")) == "chip run demo --name demo"
    assert resume_command(demo, Run("my_demo")) == "chip run demo"
    preset = make_settings("demo", preset="cpu", lr=0.5)
    assert changed_settings(preset) == {"preset": "cpu", "lr": 0.5}
    assert resume_command(preset, Run("my_demo")) == "chip run demo -p preset=cpu -p lr=0.5"
    check_free("demo", "run")
    (report / "run.json").rename(report / "sweep.json")
    with pytest.raises(Refused, match="reports/demo is the report of a sweep: give another --name"):
        check_run(make_settings("smoke", epochs=3), Run("demo"), two)
