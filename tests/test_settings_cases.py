"Settings, settings files, parameters and the files of a run: what is refused, and in which words."

import json
import re
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from chip.core.settings import (
    FILE_LIMIT,
    PROFILES,
    Run,
    SettingError,
    Settings,
    changed_settings,
    check_parameters,
    check_value,
    join_rows,
    joined_tables,
    make_settings,
    read_settings,
    read_settings_file,
    settings_in_force,
    settings_yaml,
    start_run,
)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("CHIP_HOME", str(tmp_path))
    monkeypatch.delenv("CHIP_PROFILE", raising=False)
    return Run("a-run")


@pytest.mark.parametrize(
    "name, value, says",
    [
        ("epochs", "lots", "epochs=lots: expected a whole number from 1 to 10000"),
        ("epoch", "7", "did you mean 'epochs'"),
        ("margin", -1, "margin=-1"),
        ("margin", "nan", "margin=nan"),
        ("prototype", "image", "did you mean images"),
        ("loss", "paper+paper", "each may stand once"),
        ("loss", "paper+papr", "or several with + between them (did you mean paper?)"),
        ("epochs", 1.5, "epochs=1.5"),
        ("epochs", "1e400", "epochs=1e400"),
        ("epochs", "", "epochs=: expected"),
        ("epochs", True, "epochs="),
        ("paper_classes", 1, "paper_classes="),
        ("images", 1.5, "images=1.5: expected text; where it is taken for a number"),
        ("images", "a\0b", "cannot be a path"),
        ("images", "~nobody-of-that-name/x", "cannot be a path"),
        ("encoder", True, "papermill has -r encoder TEXT and YAML has quotes"),
        ("lr", None, "lr="),
        ("epochs", [1], "epochs="),
    ],
)
def test_values_that_are_refused(name: str, value: object, says: str):
    with pytest.raises(SettingError, match=re.escape(says)):
        check_value(name, value)


def test_a_message_is_short_whatever_the_value():
    with pytest.raises(SettingError) as caught:
        check_value("epochs", "9" * 100_000)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    "name, value, typed",
    [
        ("epochs", 5.0, 5),
        ("epochs", "5.0", 5),
        ("epochs", "1e3", 1000),
        ("epochs", " 7 ", 7),
        ("lr", "1", 1.0),
        ("paper_classes", "false", False),
        ("paper_classes", "TRUE", True),
        ("encoder", 152, "152"),
        ("weights", "pretrained", "pretrained"),
    ],
)
def test_what_can_only_mean_one_thing(name: str, value: object, typed: object):
    found = check_value(name, value)
    assert found == typed and type(found) is type(typed)


def test_paths_are_whole_wherever_they_come_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Run
):
    (tmp_path / "20240131" / "train").mkdir(parents=True)
    (tmp_path / "w.pth").touch()
    (tmp_path / "h.csv").touch()
    monkeypatch.chdir(tmp_path)
    whole = {
        "images": str(tmp_path / "20240131"),
        "hierarchy": str(tmp_path / "h.csv"),
        "weights": str(tmp_path / "w.pth"),
    }
    given = {"images": 20240131, "hierarchy": "./h.csv", "weights": "w.pth"}
    assert {name: check_value(name, value) for name, value in given.items()} == whole
    read = "".join(f"{name}: {value}\n" for name, value in given.items())
    (tmp_path / "s.yaml").write_text(read)
    assert read_settings_file("s.yaml") == whole
    settings = started("\n".join(f"{name} = {value!r}" for name, value in given.items()))
    assert {name: getattr(settings, name) for name in whole} == whole
    kept = json.loads((tmp_path / "data" / "runs" / "demo" / "settings.json").read_text())
    assert kept["images"] == "./20240131"  # a project that is moved is moved with its pictures
    monkeypatch.chdir("/")
    assert read_settings(Run("demo"))["images"] == whole["images"]
    assert started("profile = 'demo'", "20_oneshot", "10_hierarchy").images == whole["images"]
    shown = settings_in_force(settings, "10_hierarchy")
    assert shown.loc["images", "value"] == "./20240131"


@pytest.mark.parametrize(
    "profile, values, says",
    [
        ("smok", {}, "did you mean smoke"),
        ("photos", {}, "needs pictures"),
        ("photos", {"images": "/no/where"}, "no such folder"),
        ("demo", {"k1_min": 90, "k1_max": 60}, "k1_min=90 is above k1_max=60"),
        ("demo", {"hierarchy": "none.csv"}, "no such file"),
        ("demo", {"m_species": 20}, "need at least as many species"),
        ("demo", {"m_families": 5}, "m_plans=8 body plans"),
        ("demo", {"n_shot": 18}, "raise m_train"),
        ("demo", {"paper_classes": True}, "the menagerie has none"),
        ("demo", {"prototype": "classifier"}, "the menagerie has none"),
        ("demo", {"k1": 9, "k2": 9}, "need more than k1=9"),
    ],
)
def test_contradictions(profile: str, values: dict, says: str):
    with pytest.raises(SettingError, match=says):
        make_settings(profile, **values)


@pytest.mark.parametrize("profile", ["smoke", "demo"])
def test_changed_settings_make_the_same_settings_again(profile: str):
    for values in (
        {},
        {"preset": "paper"},
        {"preset": "paper", "epochs": 3, "lr": 0.01},
        {"epochs": 7, "seed": 3},
    ):
        settings = make_settings(profile, **values)
        assert make_settings(profile, **changed_settings(settings)) == settings
    assert changed_settings(make_settings(profile)) == {}


def test_where_a_value_comes_from():
    shown = settings_in_force(make_settings("demo", preset="cpu", lr=0.5), "20_oneshot")
    assert shown.loc[["preset", "epochs", "lr", "batch_norm"], "from"].tolist() == [
        "given",
        "preset cpu",
        "given",
        "profile demo",
    ]
    assert shown.loc["epochs", "value"] == 5 and "passes" in shown.loc["epochs", "meaning"]


def read(tmp_path: Path, text: str | bytes) -> dict:
    "The settings in a file of this text."
    (tmp_path / "s.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_settings_file(tmp_path / "s.yaml")


@pytest.mark.parametrize("profile", PROFILES)
def test_what_is_printed_says_what_the_profile_says(tmp_path: Path, profile: str):
    values = read(tmp_path, settings_yaml(profile)) | {"images": str(tmp_path)}
    assert set(values) == set(Settings.__dataclass_fields__)
    assert make_settings(values.pop("profile"), **values) == make_settings(
        profile, images=str(tmp_path)
    )


def test_a_value_is_the_text_that_stands_there(tmp_path: Path):
    text = "epochs: '7'\nname: 2024-01-31\nn_shot: 010\nencoder: no\nbatch_size: 1e1"
    values = {"epochs": 7, "name": "2024-01-31", "n_shot": 10, "encoder": "no", "batch_size": 10}
    assert read(tmp_path, text) == values
    for name in ("007", "1.0", '"2024"', "true"):
        assert read(tmp_path, f"name: {name}") == {"name": name.strip('"')}


@pytest.mark.parametrize(
    "text, says",
    [
        ("", "is empty"),
        ("# nothing\n", "is empty"),
        ("- a", "not a list of settings"),
        ("epochs", "not a list of settings"),
        ("a: b: c", "line 1: not YAML"),
        ("epochs: 7\n\tlr: 1", "line 2: not YAML"),
        ("{" * 5000, "not YAML"),
        (b"\xff\xfe", "not UTF-8"),
        ("epochs: 7\n---\nlr: 1", "not YAML"),
        ("epochs: \x01", "not YAML"),
        ("epoch: 7", "line 1: there is no setting 'epoch', did you mean 'epochs'"),
        ("a: 1", "see `chip profiles`"),
        ("<<: {a: 1}", "no setting '<<'"),
        ("? [a]\n: 1", "is a list or a mapping"),
        ("lr: 1\nepochs: 1\nlr: 2", "line 3: lr was given in line 1"),
        ("epochs: [1, 2]", "epochs is a list"),
        ("epochs: {a: 1}", "epochs is a mapping"),
        ("lr:", "lr has no value"),
        ("lr: ~", "lr has no value"),
        ("epochs: lots", "epochs=lots: expected a whole number"),
        ("epochs: 5.5", "epochs=5.5"),
        ("epochs: true", "epochs=true"),
        ("epochs: 1:30", "epochs=1:30"),
        ("lr: .nan", "lr=.nan"),
        ("epochs: 0", "epochs=0: expected"),
        ("paper_classes: yes", "expected true or false"),
        ("paper_classes: 1", "expected true or false"),
        ("epochs: !!python/object/apply:os.getcwd []", "epochs is a list"),
        ("encoder: !mine x", "'!mine' is not for settings"),
        ("profile: dmeo", "did you mean demo"),
        ("epochs: 7 #" + "x" * FILE_LIMIT, "more than 1,000,000 bytes"),
    ],
    ids=range(31),
)
def test_settings_files_that_are_refused(tmp_path: Path, text: str | bytes, says: str):
    with pytest.raises(SettingError) as caught:
        read(tmp_path, text)
    message = str(caught.value)
    assert says in message and str(tmp_path / "s.yaml") in message and len(message) < 400


def test_settings_files_that_are_none(tmp_path: Path):
    for path, says in (
        (tmp_path, "is a folder: name a file"),
        (tmp_path / "none.yaml", "there is no such file"),
        ("a\0b", "cannot be read"),
    ):
        with pytest.raises(SettingError, match=says):
            read_settings_file(path)


PHASE = "profile: str = 'smoke'  # a profile\nname: str = ''\nepochs: int = None"
STUDY = "scope: str = 'few'\nname: str = ''\nstep: int = 2\nkeep: bool = False\nshare: float = .5\nimages: str = ''"
ALLOWED = {"scope": ("few", "all"), "step": (1, None), "share": (0.0, 1.0)}


def check(cell: str, given: str, phase: str = "", **allowed) -> dict:
    "What a notebook with this parameters cell holds after its check, as papermill leaves it."
    space: dict = {}
    exec(cell, space)
    exec(given, space)
    space["In"] = ["", cell, "import os", f"# Parameters\n{given}"]
    check_parameters(space, phase, **allowed)
    return space


@pytest.mark.parametrize(
    "given, says",
    [
        ("epoch = 3", "no parameter 'epoch', did you mean 'epochs'"),
        ("zzz = 3", "see `chip profiles`"),
        ("k1_max = 3", "belongs to 10_hierarchy"),
        ("unseen_lr = .1", "belongs to 30_unseen"),
        ("epochs = 'lots'", "epochs=lots: expected a whole number"),
        ("epochs = 3.5", "epochs=3.5"),
        ("epochs = 0", "epochs=0"),
        ("lr = 20", "lr=20: expected a number from 1e-08 to 10"),  # the cell lacks it
        ("name = 1.5", "name=1.5: expected text; where it is taken for a number or a"),
        ("name = True", "papermill has -r name TEXT"),
        ("name = 'a/b'", "a run's name"),
        ("profile = 'smok'", "did you mean smoke"),
    ],
)
def test_a_phase_refuses(given: str, says: str):
    with pytest.raises(SettingError, match=re.escape(says)):
        check(PHASE, given, "20_oneshot")


def test_a_phase_takes_what_is_its_own():
    check_parameters({"profile": "smoke", "name": ""}, "20_oneshot")  # not in papermill
    for given in ("epochs = 3", "lr = 0.5\nmargin = 1"):
        check(PHASE, given, "20_oneshot")
    with pytest.raises(SettingError, match="needs pictures"):
        check(PHASE, "profile = 'photos'", "10_hierarchy")


@pytest.mark.parametrize(
    "given, says",
    [
        ("scope = 'al'", "scope=al: expected one of few, all (did you mean all?)"),
        ("scope = 3", "scope=3: expected one of few, all"),
        ("scope = .5", "scope=0.5: expected text"),
        ("step = 0", "step=0: expected a whole number from 1 on"),
        ("step = 1.5", "step=1.5"),
        ("step = True", "step=True"),
        ("keep = 1", "keep=1: expected true or false"),
        ("keep = 'yes'", "keep=yes: expected true or false"),
        ("share = 2", "share=2: expected a number from 0 to 1"),
        ("share = None", "share=None"),
        ("name = -1", "a run's name"),
        ("images = 'nowhere'", "images=nowhere: there is no such folder"),
        ("stop = 1", "did you mean 'step'"),
        ("zzz = 1", "it has scope, name, step, keep, share, images"),
    ],
)
def test_a_notebook_refuses_parameters_of_its_own(given: str, says: str):
    with pytest.raises(SettingError, match=re.escape(says)):
        check(STUDY, given, **ALLOWED)


def test_a_notebook_takes_parameters_of_its_own():
    given = "share = 1\nname = 20240131\nkeep = 'false'\nstep = '3'"
    space = check(STUDY, given, **ALLOWED)
    assert space["name"] == "20240131" and space["keep"] is False and space["step"] == 3
    with pytest.raises(SettingError, match="step=0"):  # changed by hand
        check(STUDY.replace("step: int = 2", "step: int = 0"), "", **ALLOWED)


def started(given: str, phase: str = "10_hierarchy", inherits: str = "", **names):
    "A phase's settings, started as papermill would, with other names in the notebook."
    cell = "profile: str = 'demo'\nname: str = ''\nk1: int = None"
    space: dict = {}
    exec(cell, space)
    exec(given, space)
    cells = ["", cell, *([f"# Parameters\n{given}"] if given else [])]
    return start_run({**space, **names, "In": cells}, phase, inherits)[1]


def test_any_setting_of_a_phase_may_be_given(run: Run):
    settings = started("profile = 'smoke'\nk1_max = 6\nk1 = 4", k2_max=7, k1_max=5)
    assert (settings.k1, settings.k1_max) == (4, 6)  # whatever the notebook calls so later
    assert settings.k2_max == make_settings("smoke").k2_max  # a name of the notebook's own
    assert started("profile = 'smoke'\nlr = 0.5", "20_oneshot", "10_hierarchy").k1_max == 6


def test_the_profile(run: Run, monkeypatch: pytest.MonkeyPatch):
    assert started("").profile == "demo"  # the cell's
    monkeypatch.setenv("CHIP_PROFILE", "smoke")
    assert started("").profile == "smoke"
    assert started("profile = 'demo'").profile == "demo"
    monkeypatch.setenv("CHIP_PROFILE", "smok")
    with pytest.raises(SettingError, match="did you mean smoke"):
        started("")


def test_a_phase_needs_the_one_before(run: Run):
    with pytest.raises(FileNotFoundError, match="run notebook 10_hierarchy"):
        start_run({"profile": "smoke", "name": "other"}, "20_oneshot", "10_hierarchy")
    started("name = 'other'\nprofile = 'demo'")
    with pytest.raises(SettingError, match="was started with profile demo, not smoke"):
        start_run({"profile": "smoke", "name": "other"}, "20_oneshot", "10_hierarchy")


@pytest.mark.parametrize("name", ["a/b", "", "..", "-x", "a b", "x" * 101])
def test_names_of_runs(name: str):
    with pytest.raises(SettingError, match="a run's name"):
        Run(name)


def test_tables_and_figures(run: Run):
    csv = run.save_table(pd.DataFrame({"a": [1, 2], "b": [1 / 3, float("nan")]}), "t")
    assert csv.read_text() == "a,b\n1,0.333333\n2,\n"
    assert csv.with_suffix(".md").read_text().splitlines()[2] == "| 1 | 0.3333 |"
    with pytest.raises(ValueError, match="no rows"):
        run.save_table(pd.DataFrame({"a": []}), "empty")
    files = []
    for _ in range(2):
        figure, ax = plt.subplots()
        ax.plot([1, 2])
        png = run.save_figure(figure, "f")
        plt.close(figure)
        files.append((png.read_bytes(), png.with_suffix(".svg").read_bytes()))
    assert files[0] == files[1]  # no date, no random ids


def rows(**columns) -> pd.DataFrame:
    return pd.DataFrame(columns)


def test_a_table_to_which_phases_add_rows(run: Run):
    placed = {"level": [0, 1], "chosen": ["n01", 7], "right": [None, 1]}
    run.save_rows(rows(method=["paper"] * 2, **placed), "placements", "30_unseen", "Read so.")
    table = run.save_rows(rows(method=["kin"] * 2, **placed), "placements", "35_kin")
    text = (run.folder / "tables" / "placements.csv").read_text()
    assert text.splitlines()[1:3] == ["paper,0,n01,", "paper,1,7,1"] and len(table) == 4
    assert (run.folder / "tables" / "placements.txt").read_text() == "Read so.\n"
    again = run.save_rows(rows(method=["frozen"]), "placements", "30_unseen", "Otherwise.")
    assert again["method"].tolist() == ["frozen"]  # 35's rows were about what has gone
    assert (run.folder / "tables" / "placements.txt").read_text() == "Otherwise.\n"


def test_rows_without_a_table_and_no_rows(run: Run):
    assert run.read_rows("hits").empty and join_rows(run, "hits").empty
    run.keep_rows(rows(hit=[1, 0]), "hits", "20_oneshot")
    assert run.keep_rows(rows(hit=[1]), "hits", "35_kin")["hit"].tolist() == [1, 0, 1]
    assert run.keep_rows(rows(hit=[]), "hits", "35_kin")["hit"].tolist() == [1, 0]
    assert joined_tables(run) == [] and not (run.folder / "tables").exists()


def test_a_table_that_was_changed_is_made_again(run: Run):
    run.save_rows(rows(method=["a", "b"], top1=[2, 1]), "seen", "20_oneshot")
    csv = run.folder / "tables" / "seen.csv"
    text, written = csv.read_text(), csv.stat().st_mtime_ns
    join_rows(run, "seen")
    assert csv.stat().st_mtime_ns == written  # it was so already
    csv.write_text("by hand\n")
    join_rows(run, "seen")
    assert csv.read_text() == text == "method,top1\na,2\nb,1\n"
