"What the explorer is given: two super-parents, three parents, five classes, three unseen ones, odd names."

import base64
import io
import json
import re
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from chip.core.settings import Run
from chip.core.study import Study
from chip.data.taxonomy import animals
from chip.hierarchy import LEVELS
from chip.results import read_optional
from chip.running.explorer import (
    SIDE,
    d3_source,
    example_pictures,
    explorer_data,
    first_seeds,
    in_script,
    landings,
    methods_in_order,
    read_tree,
    split_coverage,
    study_of,
    unseen_data,
    whole_name,
)

ODD = "</script><img src=x onerror=alert(1)>"
SLUGS = ["yeti", "kiwi_bird", "ragdoll_cat"]
TABLE = pd.DataFrame(
    [
        ("n02123045", "tabby", 0, "cats (2 of 2)", 0, "mammals (3 of 3)"),
        ("n02123394", "Persian_cat", 0, "cats (2 of 2)", 0, "mammals (3 of 3)"),
        ("n02389026", "sorrel", 1, "sorrel (1 of 1)", 0, "mammals (3 of 3)"),
        ("n01518878", "ostrich", 2, "birds & odd ones", 1, "birds & odd ones"),
        ("odd", ODD, 2, "birds & odd ones", 1, "birds & odd ones"),
    ],
    columns=["wnid", "name", "parent", "parent_name", "super_parent", "super_parent_name"],
)
LANDED = {  # method, slug → what was chosen at each level, whether that is right, photos right
    ("paper", "kiwi_bird"): (("odd", 1, 1), (0, 0, 1), 1),
    ("paper", "ragdoll_cat"): (("n02123394", 0, 0), (1, 1, 1), 3),
    ("paper", "yeti"): (("odd", 2, 1), (None,) * 3, None),
    ("frozen", "kiwi_bird"): (("n01518878", 2, 1), (1, 1, 1), 2),
    ("frozen", "ragdoll_cat"): (("n02389026", 1, 0), (0, 0, 1), 0),
    ("frozen", "yeti"): (("odd", 2, 1), (None,) * 3, None),
}
PLACEMENTS = pd.DataFrame(
    [
        (method, 0, level, slug, chosen[level], right[level], 0.2, photos, 3, 3 - level)
        for (method, slug), (chosen, right, photos) in LANDED.items()
        for level in LEVELS
    ],
    columns=[
        "method",
        "seed",
        "level",
        "slug",
        "chosen",
        "right",
        "chance",
        "photos_right",
        "photos_total",
        "lca_depth",
    ],
)
NEAR = pd.DataFrame(
    [
        ("frozen", 0, 1, "kiwi_bird", 1, 2, "birds & odd ones", 0.5),
        ("frozen", 0, 1, "kiwi_bird", 2, 0, "cats (2 of 2)", 0.25),
        ("frozen", 0, 1, "kiwi_bird", 3, 1, "sorrel (1 of 1)", -0.125),
    ],
    columns=["method", "seed", "level", "slug", "rank", "target", "name", "cosine"],
)


@pytest.fixture
def run(saved_run) -> Run:
    return saved_run({"hierarchy": TABLE, "placements": PLACEMENTS, "alternatives": NEAR})


def test_tree():
    assert split_coverage("weasels: mink, … (2 of 3)") == ("weasels: mink, …", "2 of 3")
    assert split_coverage("cats (big)") == ("cats (big)", "")
    tree = read_tree(TABLE)
    assert [n["name"] for n in tree.nodes[1]] == ["cats", "sorrel", "birds & odd ones"]
    ancestors = [tree.ancestors(i) for i in range(5)]
    assert ancestors == [(0, 0, 0), (1, 0, 0), (2, 1, 0), (3, 2, 1), (4, 2, 1)]
    tens = read_tree(TABLE.assign(parent=TABLE["parent"] * 10))
    assert tens.place(1, "20") == 2  # numbers need not be places
    with pytest.raises(ValueError, match="'7' is no parent of tables/hierarchy.csv"):
        tree.place(1, "7")


def test_kin_of_unseen_classes(run):
    tree = read_tree(TABLE)
    unseen = unseen_data(study_of(run, tree, SLUGS), tree, SLUGS)
    kin = [(row["name"], [tree.nodes[0][i]["name"] for i in row["kin"]]) for row in unseen]
    assert kin == [("Kiwi", ["ostrich"]), ("Ragdoll cat", ["tabby", "Persian cat"]), ("yeti", [])]
    kiwi, ragdoll, yeti = (row["way"] for row in unseen)  # where depths can be read as names
    assert kiwi[0] == ragdoll[0] == "animals" and "birds" in kiwi and "cats" in ragdoll
    assert yeti == []


def test_whole_names():
    birds = ["n01530575", "n01531178", "n01532829", "n01819313", "n01818515", "n01518878"]
    assert whole_name(animals(), "birds: finches, …", birds) == "birds: finches, parrots, ostrich"
    assert whole_name(animals(), "birds", birds) == ""
    assert whole_name(None, "birds: finches, …", birds) == ""
    assert whole_name(animals(), "cats: tabby, …", birds) == ""


def test_order_of_methods():
    mixed = ["released", "frozen_base", "paper", "rows", "frozen", "rows_base"]
    ordered = ["rows", "paper", "frozen", "released", "rows_base", "frozen_base"]
    assert methods_in_order(mixed) == ordered
    assert methods_in_order(["odd_base"]) == ["odd_base"]
    mixed = ["frozen_sum", "paper", "kin", "frozen_base", "contrastive", "frozen", "constant"]
    ordered = ["kin", "contrastive", "paper", "frozen", "constant", "frozen_base", "frozen_sum"]
    assert methods_in_order(mixed) == ordered


def test_landings(run):
    tree = read_tree(TABLE)
    unseen = unseen_data(study_of(run, tree, SLUGS), tree, SLUGS)
    placements, near = read_optional(run, "placements"), read_optional(run, "alternatives")
    landed = landings(placements, near, tree, unseen)
    assert list(landed) == ["paper", "frozen"]
    kiwi, ragdoll, yeti = landed["paper"]["0"]
    assert ragdoll == [[i, 1, 3, 3, 0.2, [], depth] for i, depth in ((1, 3), (0, 2), (0, 1))]
    assert kiwi[0][:2] == [4, 0] and yeti[0][:3] == [4, None, None]  # not judged
    with_alternatives = [2, 1, 2, 3, 0.2, [[2, 0.5], [0, 0.25], [1, -0.125]], 2]
    assert landed["frozen"]["0"][0][1] == with_alternatives
    older = landings(placements.drop(columns="lca_depth"), near, tree, unseen)
    assert older["paper"]["0"][1][0] == [1, 1, 3, 3, 0.2, [], None]


def test_pictures(run, tmp_path):
    for key, colour in (("n02123045", (200, 120, 40)), ("kiwi_bird", (90, 60, 30))):
        (tmp_path / key).mkdir()
        Image.new("RGB", (300, 200), colour).save(tmp_path / key / "a.jpg")
    (tmp_path / "kiwi_bird" / "b.jpg").write_bytes(b"no picture")
    rows = [
        ("n02123045/a.jpg", "n02123045", "train"),
        ("kiwi_bird/a.jpg", "kiwi_bird", "unseen"),
        ("kiwi_bird/b.jpg", "kiwi_bird", "unseen"),
    ]
    labels = pd.DataFrame(rows, columns=["path", "label", "split"])
    gone = study_of(run, read_tree(TABLE), SLUGS)
    pictures = example_pictures(Study(tmp_path, labels, gone.taxonomy, ""))
    counts = {key: len(shown) for key, shown in pictures.items()}
    assert counts == {"kiwi_bird": 1, "n02123045": 1}  # what cannot be read is left out
    packed = base64.b64decode(pictures["kiwi_bird"][0].partition(",")[2])
    small = Image.open(io.BytesIO(packed))
    assert (small.format, small.size) == ("WEBP", (SIDE, SIDE))
    assert example_pictures(gone) == {}


def test_all_of_it(run):
    data = explorer_data(run)
    assert [m["id"] for m in data["methods"]] == ["paper", "frozen"]
    assert [len(level) for level in data["nodes"]] == [5, 3, 2]
    assert explorer_data(Run("nothing")) is None
    Run("alone").save_table(TABLE, "hierarchy")
    alone = explorer_data(Run("alone"))
    assert alone["unseen"] == alone["methods"] == [] and len(alone["nodes"][0]) == 5
    packed = str(in_script(data))
    assert not set("<>&") & set(packed)
    assert json.loads(packed) == json.loads(json.dumps(data))
    assert ODD in json.loads(packed)["nodes"][0][4]["name"]
    with pytest.raises(ValueError):
        in_script(float("nan"))


def test_first_seeds():
    twice = pd.concat([NEAR, NEAR.assign(seed=1), NEAR.assign(method="late", seed=3)])
    seeds = first_seeds(twice).groupby("method")["seed"].unique().map(list).to_dict()
    assert seeds == {"frozen": [0], "late": [3]}
    text = pd.concat([NEAR.assign(seed="9"), NEAR.assign(seed="10")])
    assert set(first_seeds(text)["seed"]) == {"9"}


def test_d3():
    notice = r"// https://d3js.org v\d+\.\d+\.\d+ Copyright \d+ Mike Bostock"
    assert re.match(notice, d3_source()) and ".partition=" in d3_source()
    assert ".stratify=" in d3_source()
    assert (Path(__file__).parent.parent / "nbs/running/templates/d3.licence.txt").is_file()
