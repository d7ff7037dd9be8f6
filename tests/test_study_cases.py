"The pictures of a run: how they split, how they are drawn again, what is recorded."

import json
from pathlib import Path

import pytest

from chip.core.settings import Run, make_settings
from chip.core.study import Study, choose_pictures, kin_of, load_study, open_study


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Study, Path]:
    "A smoke run's study, opened once for all tests."
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CHIP_HOME", str(home))
        run = Run("try")
        return run, open_study(run, make_settings("smoke"), progress=False), home


def test_splits(opened: tuple[Run, Study, Path]):
    _, study, _ = opened
    counts = study.table["split"].value_counts().to_dict()
    assert counts == {"train": 48, "val": 16, "test": 32, "unseen": 12}
    assert study.class_index(study.rows("train")).max() == 15
    assert study.name(study.seen[0]) == study.taxonomy.names[study.seen[0]]
    assert study.name("not_known") == "not known"


def test_kin_are_seen(opened: tuple[Run, Study, Path]):
    _, study, _ = opened
    kin = kin_of(study)
    assert set(kin) == set(study.unseen)
    assert all(set(names) <= set(study.seen) for names in kin.values())
    assert kin_of(Study(study.root, study.table, None, "")) == {}


def test_a_cap_leaves_the_test_pictures(opened: tuple[Run, Study, Path]):
    _, study, _ = opened
    table = study.table.assign(split="train").iloc[:-12]
    few = choose_pictures(table, make_settings("smoke", max_per_class=2))
    assert few["split"].value_counts().to_dict() == {"train": 32, "val": 16, "test": 32}
    uncapped = choose_pictures(table, make_settings("smoke"))
    paths = [list(t.loc[t["split"] == "test", "path"]) for t in (few, uncapped)]
    assert paths[0] == paths[1]


def test_what_is_recorded(opened: tuple[Run, Study, Path], monkeypatch: pytest.MonkeyPatch):
    run, study, home = opened
    monkeypatch.setenv("CHIP_HOME", str(home))
    file = run.folder / "study.json"
    about = json.loads(file.read_text())
    assert about["backend"] == "eager" and "this run: 48 train" in about["summary"]
    assert load_study(run).table.equals(study.table)
    file.write_text(json.dumps({**about, "root": str(home / "gone")}))
    with pytest.raises(FileNotFoundError, match="which is gone: put them back"):
        load_study(run)
    with pytest.raises(FileNotFoundError, match="run notebook 10_hierarchy of this run first"):
        load_study(Run("another"))
