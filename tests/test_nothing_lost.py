"Nothing that a run, a sweep or a comparison has not made itself is replaced or removed."

import json
from pathlib import Path

import pytest

from chip.core.settings import Run
from chip.running import cli
from chip.running.runs import (
    MARKS,
    Refused,
    check_free,
    clear_from,
    files_of,
    forget,
    swap_in,
    users_files,
)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CHIP_HOME", str(tmp_path))
    (tmp_path / "reports").mkdir()
    return tmp_path


def report(folder: Path, mark: str = "run.json", **files: str) -> Path:
    folder.mkdir(parents=True)
    for name, text in {mark: "{}", "index.html": "page", **files}.items():
        path = folder / name.replace("__", "/").replace("_txt", ".txt")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def everything(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_text() for path in files}


@pytest.mark.parametrize("command", [["run", "smoke"], ["sweep", "smoke", "-p", "seed=0,1"]])
@pytest.mark.parametrize("made", ["tables/a.csv", "notes.txt", "run.json.bak", "deep/er/x"])
def test_a_folder_of_others_is_refused(home: Path, command: list[str], made: str, capfd):
    theirs = home / "reports" / "studies" / made
    theirs.parent.mkdir(parents=True)
    theirs.write_text("theirs")
    assert cli.main([*command, "--name", "studies"]) != 0
    said = capfd.readouterr().err
    assert "reports/studies is there, and no" in said and "give another --name" in said
    assert everything(home / "reports") == {f"studies/{made}": "theirs"}
    assert not (home / "data" / "runs" / "studies" / "tables").exists()


@pytest.mark.parametrize("kind", MARKS)
def test_only_its_own_kind_is_replaced(home: Path, kind: str):
    report(home / "reports" / "x", MARKS[kind])
    check_free("x", kind)
    for other in set(MARKS) - {kind}:
        with pytest.raises(Refused, match=f"is the report of a {kind}"):
            check_free("x", other)


def test_a_link_and_a_file_are_refused(home: Path):
    report(home / "elsewhere")
    (home / "reports" / "link").symlink_to(home / "elsewhere")
    (home / "reports" / "dangling").symlink_to(home / "nowhere")
    (home / "reports" / "file").write_text("")
    for name in ("link", "dangling", "file"):
        with pytest.raises(Refused, match=f"reports/{name} is there"):
            check_free(name, "run")
    (home / "reports" / "empty").mkdir()
    check_free("empty", "run")
    check_free("new", "run")


def test_notes_in_a_report_outlive_it(home: Path):
    target = home / "reports" / "x"
    report(home / "reports" / ".x.new", tables__a="1")
    swap_in(home / "reports" / ".x.new", target)
    assert not users_files(target)
    for name in ("notes.txt", "tables/mine.csv", "mine/deep.txt", "figures/new.png"):
        (target / name).parent.mkdir(exist_ok=True)
        (target / name).write_text(f"my {name}")
    report(home / "reports" / ".x.new", figures__new="2").joinpath("figures/new.png").write_text(
        "3"
    )
    swap_in(home / "reports" / ".x.new", target)
    kept = everything(target)
    assert kept["notes.txt"] == "my notes.txt" and kept["mine/deep.txt"] == "my mine/deep.txt"
    assert kept["tables/mine.csv"] == "my tables/mine.csv" and "tables/a" not in kept
    assert kept["figures/new.png"] == "3" and kept["figures/new-yours.png"] == "my figures/new.png"
    assert sorted(p.as_posix() for p in users_files(target)) == [
        "figures/new-yours.png",
        "mine/deep.txt",
        "notes.txt",
        "tables/mine.csv",
    ]


def test_links_in_a_report_stay_links(home: Path):
    "To a folder, to nothing, in the place of a new file or folder; what they lead to stays too."
    target = report(home / "reports" / "x")
    (home / "photos").mkdir()
    (home / "photos" / "a.jpg").write_text("a photo")
    links = {"photos": "../../photos", "broken": "nowhere", "tables": "../../photos"}
    for name, to in links.items():
        (target / name).symlink_to(to)
    for _ in range(2):
        swap_in(report(home / "reports" / ".x.new", tables__a="1", broken="new"), target)
    links = {"photos": "../../photos", "broken-yours": "nowhere", "tables-yours": "../../photos"}
    assert {p.name: str(p.readlink()) for p in target.iterdir() if p.is_symlink()} == links
    assert (target / "photos" / "a.jpg").read_text() == "a photo"
    assert (target / "tables" / "a").read_text() == "1" and (target / "broken").read_text() == "new"


def test_a_report_of_before_the_list_keeps_notes_too(home: Path):
    target = report(home / "reports" / "x", tables__a="1", notes_txt="mine")
    assert [p.as_posix() for p in users_files(target)] == ["notes.txt"]
    swap_in(report(home / "reports" / ".x.new", tables__b="2"), target)
    assert everything(target).keys() == {"run.json", "index.html", "notes.txt", "tables/b", ".made"}


def test_notes_in_a_runs_folder_stay(home: Path):
    run = Run("x")
    run.path("tables", "a.csv").write_text("1")
    run.path("study.json").write_text(json.dumps({}))
    run.path("notes.txt").write_text("mine")
    run.path("mine", "b.csv").write_text("mine")
    assert sorted(files_of(run)) == ["study.json", "tables/a.csv"]
    clear_from(run, (), False, ())
    assert everything(run.folder) == {"notes.txt": "mine", "mine/b.csv": "mine"}
    run.path("tables", "a.csv").write_text("1")
    forget(run)
    assert everything(run.folder) == {"notes.txt": "mine", "mine/b.csv": "mine"}
