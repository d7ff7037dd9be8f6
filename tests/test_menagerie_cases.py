"A menagerie on disk: reused, mended, refused, and what an interrupted drawing leaves behind, which is nothing."

import json
import socket

import numpy as np
import pandas as pd
import pytest

from chip.data.drawing import BODY_PLANS, draw_scene, place
from chip.data.menagerie import drawing_aside, make_menagerie, remove_abandoned
from chip.data.menagerie_tree import MenagerieSettings, express, grow_kingdom, seeded

FEW = MenagerieSettings(n_body_plans=3, n_families=6, n_species=9, n_unseen=4, size=24)


@pytest.fixture
def zoo(tmp_path):
    return make_menagerie(tmp_path / "zoo", FEW, n_train=3, n_unseen=2, progress=False)


def test_layout(zoo):
    assert {path.name for path in zoo.iterdir()} == {
        *("menagerie.json", "taxonomy.csv", "train", "unseen")
    }
    table = pd.read_csv(zoo / "taxonomy.csv")
    assert list(table.columns) == ["key", "name", "hypernyms", "hypernym_wnids"]
    assert len(table) == 13
    classes = {path.name for path in zoo.glob("*/*") if path.is_dir()}
    assert classes == set(table["key"]) and len(list(zoo.glob("*/*/*.jpg"))) == 9 * 3 + 4 * 2


def test_the_same_again_is_reused_and_another_replaces_it(zoo):
    stamp = zoo.stat().st_mtime_ns
    again = make_menagerie(zoo, FEW, n_train=3, n_unseen=2, progress=False)
    assert again.stat().st_mtime_ns == stamp
    one = next(zoo.glob("train/*/000.jpg"))
    before = one.read_bytes()
    make_menagerie(zoo, FEW, n_train=1, n_unseen=1, progress=False)
    assert one.read_bytes() == before and len(list(zoo.glob("*/*/*.jpg"))) == 9 + 4
    one.unlink()
    assert make_menagerie(zoo, FEW, n_train=1, n_unseen=1, progress=False) and one.exists()


def test_the_record_says_what_was_drawn(zoo):
    record = json.loads((zoo / "menagerie.json").read_text())
    assert record["settings"]["n_species"] == 9 and record["pictures"] == 35
    assert record["pictures_per_species"] == {"train": 3, "val": 0, "test": 0, "unseen": 2}


def test_an_interrupted_drawing_leaves_nothing(tmp_path):
    folder = tmp_path.resolve() / "zoo"
    abandoned = folder.parent / f".zoo.part-{socket.gethostname()}-999999999-x"
    abandoned.mkdir()
    remove_abandoned(folder)
    assert not abandoned.exists()
    with pytest.raises(KeyboardInterrupt), drawing_aside(folder) as part:
        (part / "half.jpg").touch()
        raise KeyboardInterrupt
    assert not any(folder.parent.iterdir())


def test_refused(tmp_path):
    folder = tmp_path / "zoo"
    folder.mkdir()
    (folder / "thesis.txt").touch()
    with pytest.raises(FileExistsError, match="is not a menagerie"):
        make_menagerie(folder, FEW, progress=False)
    with pytest.raises(ValueError, match="n_train=-1 is out of range"):
        make_menagerie(folder, FEW, n_train=-1)


def test_every_animal_fills_its_share_of_the_picture():
    for leaf in grow_kingdom(MenagerieSettings())[::20]:
        scene = draw_scene(seeded(leaf.key))
        sketch = BODY_PLANS[leaf.body_plan](express(leaf, seeded(1)), scene)
        pixels = place(sketch, scene, 100)(np.concatenate([part.points for part in sketch.parts]))
        assert np.isclose(np.ptp(pixels, axis=0).max(), 100 * scene.fill)
        assert pixels.min() >= 0 and pixels.max() <= 100
