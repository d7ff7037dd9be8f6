"Names of clusters: plurals, odd groups, and names that must differ."

from pathlib import Path

import pandas as pd
import pytest

from chip.data.names import name_clusters, plural
from chip.data.taxonomy import all_animals, animals

PACKS = Path(__file__).resolve().parents[2] / "shared" / "data"
SEEN = animals()
KEY = {name: key for key, name in SEEN.names.items()}


def called(*names: str) -> str:
    return str(name_clusters(SEEN, [[KEY[name] for name in names]])[0])


PLURALS = {
    "finch": "finches",
    "timber_wolf": "timber wolves",
    "wolf_spider": "wolf spiders",
    "rock_beauty": "rock beauties",
    "Great_Pyrenees": "Great Pyrenees",
    "hippopotamus": "hippopotamuses",
    "platypus": "platypuses",
    "jellyfish": "jellyfish",
    "monkey": "monkeys",
    "lynx": "lynxes",
    "ox": "oxen",
    "family 7": "family 7",
    "albatross": "albatrosses",
    "oscine": "songbirds",
    "tusker": "tuskers",
    "": "",
}


def test_plurals():
    assert {word: plural(word) for word in PLURALS} == PLURALS


def test_names_of_few_classes():
    assert called("white_stork", "black_stork") == "storks (2 of 2)"
    three = called("hornbill", "toucan", "king_penguin")
    assert three == "hornbills, toucans & king penguins (3 of 3)"
    assert called("schipperke", "tench") == "schipperkes & tench (2 of 2)"
    assert called("schipperke") == "schipperke (1 of 1)"
    assert called("tench", "tench") == "tench (1 of 1)"  # members named twice count once


def test_the_order_of_members_does_not_matter():
    assert name_clusters(SEEN, [SEEN.keys[::-1]])[0] == name_clusters(SEEN, [SEEN.keys])[0]


def test_names_among_a_part_of_the_tree():
    cats = [["ragdoll_cat", "british_shorthair_cat", "n02123045"]]
    assert name_clusters(all_animals(), cats, SEEN.keys)[0].name == "domestic cats"


def test_parts_of_a_name():
    bears = [KEY[name] for name in ("American_black_bear", "sloth_bear", "giant_panda")]
    name = name_clusters(SEEN, [bears])[0]
    assert name.coverage == 1 and name.parts[1] == KEY["giant_panda"]


def test_names_differ():
    rows = (
        "cairn Border_terrier Norfolk_terrier Irish_terrier",
        "standard_schnauzer giant_schnauzer Airedale Scotch_terrier West_Highland_white_terrier",
        "Lhasa Tibetan_terrier Bedlington_terrier Boston_bull",
    )
    terriers = [[KEY[name] for name in row.split()] for row in rows]
    assert [str(name) for name in name_clusters(SEEN, terriers)] == [
        "terriers: cairn, Border terrier, … (4 of 4)",
        "terriers: schnauzers, … (5 of 5)",
        "terriers: Lhasa, Tibetan terrier, … (4 of 4)",
    ]
    twins = name_clusters(SEEN, [terriers[0], terriers[0]])
    assert len({name.name for name in twins}) == 2  # even the same members twice


def test_no_clusters_and_empty_ones():
    assert name_clusters(SEEN, []) == []
    with pytest.raises(ValueError, match=r"clusters \[1\] of 2 have no members"):
        name_clusters(SEEN, [["n01440764"], []])


@pytest.mark.parametrize("level", ("parent", "super_parent"))
def test_the_authors_clusters_have_names_of_their_own(level):
    path = PACKS / "authors" / "hierarchy_88_8.csv"
    if not path.exists():
        pytest.skip("no ../shared/data beside the project")
    groups = pd.read_csv(path).groupby(level)["wnid"].apply(list)
    names = name_clusters(SEEN, groups)
    assert len({name.name for name in names}) == len(groups)
    if level == "parent":
        covered = sum(name.coverage * name.n_members for name in names)
        assert covered > 0.6 * sum(map(len, groups))
