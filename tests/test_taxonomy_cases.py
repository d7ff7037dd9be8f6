"Taxonomies that make no tree, files that are no taxonomy, and the awkward corners of a good one."

from pathlib import Path

import numpy as np
import pytest

from chip.data.taxonomy import (
    Taxonomy,
    TaxonomyError,
    all_animals,
    animals,
    load_taxonomy,
    place_classes,
    shared_steps,
    tree_parents,
)

TOY = Taxonomy(
    {
        "tabby": ["animal", "mammal", "cat", "tabby"],
        "ragdoll": ["animal", "mammal", "cat"],
        "bobtail": ["animal", "mammal", "cat"],
        "pug": ["animal", "mammal", "dog", "pug"],
        "boxer": ["animal", "mammal", "dog", "boxer"],
        "hen": ["animal", "hen"],
    }
)


@pytest.fixture
def written(tmp_path):
    "Writes a taxonomy file and returns its folder."

    def write(text: str, encoding: str = "utf-8") -> Path:
        (tmp_path / "taxonomy.csv").write_bytes(text.encode(encoding))
        return tmp_path

    return write


BROKEN = {
    "at least one class": {},
    "'hen' has the chain": {"cat": ["animal", "cat"], "hen": []},
    "no empty one": {"cat": ["animal", "", "cat"]},
    "circle: 'animal'": {"cat": ["animal", "cat", "animal"]},
    "'egg' stands below 'a' for class 'x' but below 'b' for class 'y'": {
        "x": ["r", "a", "egg"],
        "y": ["r", "b", "egg"],
    },
    "'hen' stands below 'egg' for class 'x' but below nothing": {
        "x": ["egg", "hen"],
        "y": ["hen", "egg"],
    },
    "2 roots instead of one: 'animal'": {"cat": ["animal", "cat"], "oak": ["plant", "oak"]},
}


@pytest.mark.parametrize("message", BROKEN)
def test_chains_that_make_no_tree(message):
    with pytest.raises(TaxonomyError, match=message):
        tree_parents(BROKEN[message])


BAD_FILES = {
    "line 1: no column for the chains": "key,name\nrex,Rex\n",
    "line 1: two columns are headed 'key'": "key,Key,hypernyms\nrex,max,animal\n",
    "lists no class": "key,hypernyms\n",
    "line 1: no column for the class folders": "name,hypernyms\nrex,animal\n",
    "line 3: class 'rex' is listed already on line 2": "key,hypernyms\nrex,animal\nrex,animal\n",
    "line 2: class 'rex' has the chain ''": "key,hypernyms\nrex,\n",
    "line 2: class 'rex' has the chain 'animal >'": "key,hypernyms\nrex,animal > \n",
    "line 3: the class's key is empty": "key,hypernyms\nrex,animal\n,animal\n",
    "line 2: class 'rex' has 2 words in its chain but 1 node ids": (
        "key,hypernyms,ids\nrex,animal > dog,n1\n"
    ),
    "line 3: node 'n1' is called 'beast' here": "key,hypernyms,ids\nrex,animal,n1\ntom,beast,n1\n",
    "line 2, 3: 2 roots instead of one": "key,hypernyms\nrex,animal\noak,plant\n",
    "line 2: 3 cells where the heading has 2": "key,hypernyms\nrex,animal,dog\n",
    "line 2: the chain of class 'rex' goes in a circle": (
        "key,hypernyms,ids\nrex,a > b > a,1 > 2 > 1\n"
    ),
    "line 2: not CSV .field larger": "key,hypernyms\nrex," + "dog" * 100_000,
}


@pytest.mark.parametrize("message", BAD_FILES)
def test_a_bad_file_is_refused_by_line(written, message):
    with pytest.raises(TaxonomyError, match=message.replace("(", "[(]")):
        load_taxonomy(written(BAD_FILES[message]))


def test_files_that_are_no_text_or_hold_nothing(written, tmp_path):
    with pytest.raises(TaxonomyError, match="no text; save it as CSV, UTF-8"):
        load_taxonomy(written("key,hypernyms\nkäfer,\0\n"))
    with pytest.raises(TaxonomyError, match="lists no class"):
        load_taxonomy(written("\n"))
    with pytest.raises(FileNotFoundError, match="no taxonomy at"):
        load_taxonomy(tmp_path / "none.csv")


def test_a_spreadsheets_file_is_read_as_any_other(written):
    mine = load_taxonomy(written("key,hypernyms\nrex,animal > dog\ntom,animal>cat\n"))
    excel = "Label;Lineage\r\nrex;animal > dog\r\ntom;animal > cat\r\n"
    assert load_taxonomy(written(excel, "utf-8-sig")).paths == mine.paths


def test_written_and_read_again(written):
    rows = [f"{key},{' > '.join(path)},{' > '.join(path)}" for key, path in TOY.paths.items()]
    text = "\n".join(["key,hypernyms,hypernym_wnids", *rows])
    assert load_taxonomy(written(text)).paths == TOY.paths


def test_unknown_classes_are_named():
    for call in (
        lambda: TOY.path("unicorn"),
        lambda: TOY.lca_matrix(["hen", "unicorn"]),
        lambda: TOY.kin("unicorn", TOY.keys),
    ):
        with pytest.raises(KeyError, match="'unicorn' is none of the 6 classes"):
            call()


def test_corners_of_the_measures():
    assert Taxonomy({"only": ["only"]}).height("only") == 0
    assert TOY.lca_matrix(["hen"], []).shape == (1, 0)
    assert TOY.tree_distances(["ragdoll"]).tolist() == [[0]]
    assert shared_steps(np.array([[0, -1]]), np.array([[0, -1]])).tolist() == [
        [1]
    ]  # ends: no nodes
    paths = np.array([[0, 1, 2], [0, 1, -1], [0, 3, 4]])
    assert shared_steps(paths[:1], paths).tolist() == [[3, 2, 1]]
    small = Taxonomy({key: TOY.path(key) for key in ("hen", "pug")})
    assert small.height("dog") == 1
    assert small.tree_distances().tolist() == TOY.tree_distances(["hen", "pug"]).tolist()
    with pytest.raises(ValueError, match="no class to be the kin of 'hen'"):
        TOY.kin("hen", ["hen"])


def test_kin_share_the_most_ancestors():
    rng = np.random.default_rng(0)
    chains = [("0",)]
    for node in range(1, 25):
        chains.append((*chains[rng.integers(len(chains))], str(node)))
    tree = Taxonomy({f"key{i}": chains[rng.integers(25)] for i in range(30)})
    for key in tree.keys:
        shared = {o: len({*tree.path(key)} & {*tree.path(o)}) for o in tree.keys if o != key}
        deepest = [other for other, n in shared.items() if n == max(shared.values())]
        assert tree.kin(key, tree.keys) == deepest


def test_the_animals_are_read_once_and_the_unseen_only_add():
    seen, everyone = animals(), all_animals()
    assert animals() is seen
    assert everyone.keys[:366] == seen.keys and everyone.paths.items() >= seen.paths.items()
    assert (everyone.lca_matrix(seen.keys) >= seen.lca_matrix(seen.keys)).all()


def test_corners_of_a_cut():
    assert TOY.cut(2, ["hen", "pug", "boxer"]).tolist() == [0, 1, 1]
    assert TOY.cut(4, ["tabby", "ragdoll", "bobtail"]).max() == 2 and len(TOY.cut(3, [])) == 0
    three = Taxonomy({key: ["r", key] for key in "abc"})
    assert three.cut(2).tolist() == [0, 0, 0]  # one group is all that fits
    with pytest.raises(ValueError, match="k=0"):
        TOY.cut(0)


@pytest.mark.parametrize("k", (8, 17, 60, 88, 107, 150))
def test_a_cut_does_not_depend_on_the_order_of_the_keys(k):
    seen = animals()
    shuffled = list(np.random.default_rng(0).permutation(seen.keys))
    group_of = dict(zip(seen.keys, seen.cut(k)))
    assert len(set(group_of.values())) <= k
    pairs = set(zip((group_of[key] for key in shuffled), seen.cut(k, shuffled)))
    assert len(pairs) == len(set(group_of.values()))


def test_classes_without_a_place(written):
    folder = written("key,hypernyms\nrex,beast > dog\n")
    assert place_classes(["my_sofa"]) == (None, ["my_sofa"])
    assert place_classes([], folder)[0] is None
    assert place_classes(["rex"], folder)[0].keys == ("rex",)  # a tree of one's own
    with pytest.raises(TaxonomyError, match="does not fit the project's animals.*2 roots"):
        place_classes(["rex", "giraffe"], folder)
    (folder / "taxonomy.csv").unlink()
    assert place_classes(["giraffe"], folder)[1] == []  # a folder without a taxonomy
    with pytest.raises(FileNotFoundError):
        place_classes(["giraffe"], folder / "none.csv")
