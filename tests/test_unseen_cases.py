"Ways to an answer, placements and the targets that came next: odd input and what is refused."

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from chip.core.settings import Run
from chip.core.study import Study, unreadable_classes
from chip.hierarchy import Hierarchy
from chip.unseen import (
    UnseenPictures,
    alternatives_rows,
    class_probabilities,
    expected_cost,
    level_scores,
    rows_under_rules,
    summed,
    tree_heights,
    unseen_frame,
    unseen_pictures,
    unseen_row,
)


def towards(*degrees: float) -> np.ndarray:  # (n, 2)
    return np.stack([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))], axis=1)


@pytest.fixture
def toy() -> Hierarchy:
    "Four classes, three parents, two super-parents, in the plane."
    level0 = towards(0, 40, 100, 180)
    level1 = np.stack([level0[:2].mean(axis=0), level0[2], level0[3]])
    level2 = np.stack([level1[:2].mean(axis=0), level1[2]])
    names = (("ab", "c", "d"), ("abc", "d"))
    parent, super_of = np.array([0, 0, 1, 2]), np.array([0, 0, 1])
    animals = ("ant", "bee", "cat", "dog")
    return Hierarchy(tuple("abcd"), animals, parent, super_of, (level0, level1, level2), names, {})


def test_cold_probabilities_are_the_best_class(toy):
    cold = class_probabilities(np.array([[0.5, 0.49, 0.2, 0.1]]), 1e-4)
    assert np.allclose(cold, [[1, 0, 0, 0]])
    assert np.allclose(summed(np.array([[0.1, 0.4, 0.3, 0.2]]), toy.membership(2)).sum(), 1)
    with pytest.raises(ValueError, match="above 0"):
        class_probabilities(cold, 0)


def test_expected_cost_by_hand(toy):
    risk = expected_cost(np.array([[0.0, 0.0, 0.4, 0.6]]), tree_heights(toy))[0]
    assert np.allclose(risk, [2 * 0.4 + 3 * 0.6, 2 * 0.4 + 3 * 0.6, 3 * 0.6, 3 * 0.4])


@pytest.mark.parametrize("rule", ("base", "cost"))
def test_answers_that_are_handed_up_agree(toy, rule):
    for degrees in range(0, 360, 7):
        top = [s.argmax(axis=1) for s in level_scores([towards(degrees)] * 3, toy, rule)]
        leaf, parent, super_parent = (int(a[0]) for a in top)
        assert toy.parent[leaf] == parent and toy.super_of[parent] == super_parent


def test_rules_that_do_not_exist(toy):
    with pytest.raises(ValueError, match="none of targets, base"):
        level_scores([towards(0)] * 3, toy, "vote")


@pytest.fixture
def three() -> tuple[Hierarchy, UnseenPictures, np.ndarray]:
    "Three classes, the pictures of two unseen ones, and their embeddings."
    level0 = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
    clusters = np.array([[0.5, 0.5], [-1.0, 0.0]])
    parent, super_of = np.array([0, 0, 1]), np.array([0, 1])
    names = (("ab", "c"), ("AB", "C"))
    targets = (level0, clusters, clusters)
    h = Hierarchy(tuple("abc"), tuple("abc"), parent, super_of, targets, names, {})
    unseen = UnseenPictures(("x", "y"), np.array([0, 0, 1]), {"x": ["b"]})
    return h, unseen, np.array([[0.0, 1.0], [0.1, 1.0], [-1.0, 0.1]])


def test_placements_by_hand(three):
    h, unseen, embeddings = three
    rows, near = map(pd.DataFrame, rows_under_rules("frozen", 0, [embeddings] * 3, unseen, h, 0.03))
    paper = rows[rows["method"] == "frozen"]
    assert paper["chosen"].tolist() == ["b", "c", "0", "1", "0", "1"]
    assert set(rows["method"]) == {"frozen", "frozen_base", "frozen_sum", "frozen_cost"}
    x = paper[paper["slug"] == "x"]
    assert x["right"].tolist() == [1, 1, 1] and x["photos_right"].tolist() == [2, 2, 2]
    assert np.allclose(x["chance"].astype(float), [1 / 3, 1 / 2, 1 / 2])
    assert rows[rows["slug"] == "y"]["right"].isna().all()  # no kin, no verdict
    through = rows[rows["method"] == "frozen_base"]
    assert np.isclose(through["chance"].iloc[2], 2 / 3)  # two of three classes lead there
    assert (near[near["rank"] == 1].groupby("method").size() == 6).all()
    with pytest.raises(ValueError):
        rows_under_rules("frozen", 0, [np.zeros((3, 2))] * 3, unseen, h, 0.03)


def test_classes_with_the_same_kin_have_one_number(three):
    h, _, embeddings = three
    slugs, kin = (
        ("v", "w", "x", "y", "z"),
        {"w": ["a"], "x": ["b", "a"], "y": ["a", "b"], "z": ["a"]},
    )
    unseen = UnseenPictures(slugs, np.arange(5), kin)
    five = [embeddings[[0, 1, 2, 0, 1]]] * 3
    rows, _ = rows_under_rules("frozen", 0, five, unseen, h, 0.03)
    sets = pd.DataFrame(rows).groupby("slug")["kin_set"].unique()
    assert np.isnan(sets["v"]).all() and len(sets["v"]) == 1
    assert [sets[slug].tolist() for slug in "wxyz"] == [[0], [1], [1], [0]]


def test_nobody_has_kin(three):
    h, unseen, embeddings = three
    nobody = UnseenPictures(unseen.slugs, unseen.classes, {})
    rows, _ = rows_under_rules("frozen", 0, [embeddings] * 3, nobody, h, 0.03)
    assert pd.DataFrame(rows)[["right", "chance", "photos_right", "kin_set"]].isna().all(axis=None)
    row = unseen_row(embeddings, nobody, h, 1, np.array([0, 1]), 0.07)
    assert (row["classes_right"], row["classes_judged"]) == (0, 0)


def test_ud_and_its_measures(three):
    h, unseen, embeddings = three
    row = unseen_row(embeddings, unseen, h, 1, np.array([0, 1]), 0.07)
    assert (row["classes_right"], row["classes_judged"]) == (1, 1)
    assert np.isclose(row["contrastive_accuracy"], 1 - row["contrastive_loss"])
    turned = unseen_row(-embeddings, unseen, h, 1, np.array([0, 1]), 0.07)
    assert turned["classes_right"] == 0  # turned away, whatever UD says
    frame, labels = unseen_frame(unseen, [embeddings] * 3, h)
    assert frame["slug"].tolist() == ["x", "y"]
    assert [label.tolist() for label in labels] == [[1, 2], [0, 1], [0, 1]]
    unit = embeddings[2] / np.linalg.norm(embeddings[2])
    assert np.allclose(frame["embedding_0"][1], unit)


@pytest.fixture
def plane() -> Hierarchy:
    "Classes at 0°, 40° and 90°, the first two in one parent at 20°."
    targets = (towards(0, 40, 90), towards(20, 90), towards(55))
    names = (("insects", "cats"), ("animals",))
    parent, super_of = np.array([0, 0, 1]), np.array([0, 0])
    return Hierarchy(tuple("abc"), ("ant", "bee", "cat"), parent, super_of, targets, names, {})


def test_what_came_next_by_hand(plane):
    "An animal at 60°; a level with fewer targets than ranks has fewer rows."
    at60 = [towards(60)] * 3
    rows = alternatives_rows("frozen", 0, ["x"], level_scores(at60, plane), plane)
    assert [(r["level"], r["rank"], r["target"], r["name"]) for r in rows] == [
        (0, 1, "b", "bee"),
        (0, 2, "c", "cat"),
        (0, 3, "a", "ant"),
        (1, 1, "1", "cats"),
        (1, 2, "0", "insects"),
        (2, 1, "0", "animals"),
    ]
    assert np.allclose([r["cosine"] for r in rows[:3]], np.cos(np.radians([20, 30, 60])))
    base = alternatives_rows("frozen_base", 0, ["x"], level_scores(at60, plane, "base"), plane)
    assert [r["name"] for r in base[3:5]] == ["insects", "cats"]  # the bee is nearest
    first = alternatives_rows("frozen", 0, ["x"], level_scores(at60, plane), plane, most=1)
    assert [r["rank"] for r in first] == [1, 1, 1]


def test_what_came_next_of_equals_and_of_other_shapes(plane):
    equal = [np.ones((1, 3)), np.ones((1, 2)), np.ones((1, 1))]
    rows = alternatives_rows("m", 0, ["x"], equal, plane)
    assert [r["target"] for r in rows[:3]] == ["a", "b", "c"]  # in order
    with pytest.raises(ValueError, match=r"level 1 have shape \(1, 3\): expected .* \(1, 2\)"):
        alternatives_rows("m", 0, ["x"], [np.ones((1, 3))] * 3, plane)


def test_classes_of_which_no_file_can_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CHIP_HOME", str(tmp_path))
    table = pd.DataFrame(
        {
            "path": ["train/a/1.png", "unseen/x/1.png"],
            "label": ["a", "x"],
            "split": ["train", "unseen"],
        }
    )
    study, run = Study(tmp_path, table, None, ""), Run("try")
    assert unreadable_classes(run, study) == []
    run.path("tables", "rejected.csv").write_text(
        "path,reason\nunseen/NA/1.png,empty\nunseen/x/2.png,empty\ntrain/b/1.png,empty\n"
    )
    assert unreadable_classes(run, study) == ["NA"]
    unseen = unseen_pictures(study)
    assert unseen.classes.tolist() == [0] and unseen.kin == {}
