"Measures at their limits: what is refused, by which message, and what must not change a number."

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from chip.core.statistics import placement_summary
from chip.data.taxonomy import all_animals, animals, unseen_animals
from chip.measures import (
    accuracy_ceiling,
    best_constant_placement,
    contrastive_accuracy,
    contrastive_loss,
    contrastive_losses,
    cosine_distance,
    cosine_margin,
    cosine_similarity_matrix,
    effective_rank,
    holds_kin,
    kin_matrix,
    loss_floor,
    mean_pairwise_cosine,
    placement_chance,
    placement_scores,
    seen_measures,
    topk_accuracy,
    topk_hits,
    tree_scores,
    tree_table,
)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_cosines_do_not_depend_on_length(rng):
    a, b = rng.normal(size=(7, 5)), rng.normal(size=(4, 5))
    plain = [[x @ y / (np.sqrt(x @ x) * np.sqrt(y @ y)) for y in b] for x in a]
    assert np.allclose(cosine_similarity_matrix(a * 1e200, b * 1e-200), plain, atol=1e-15)


def test_blocks_of_rows_join_up(rng):
    many, b = rng.normal(size=(9000, 3)).astype(np.float32), rng.normal(size=(4, 3))
    some = [0, 4095, 4096, 8999]
    all_at_once = cosine_similarity_matrix(many, b)[some]
    assert np.allclose(all_at_once, cosine_similarity_matrix(many[some], b))


@pytest.mark.parametrize(
    "a, b, message",
    [
        ([[1, 0], [0, 0]], [[1, 0]], "row 1 of a is all zeros"),
        (
            np.where(np.arange(6000)[:, None] == 5000, np.nan, 1.0),
            [[1.0]],
            "row 5000 of a is not finite",
        ),
        ([[1, 0]], [[np.inf, 0]], "row 0 of b is not finite"),
        ([[1, 0, 0]], [[1, 0]], "3 features a row and b has 2"),
        ([1, 0], [[1, 0]], r"a has shape \(2,\)"),
    ],
)
def test_cosines_refuse(a, b, message):
    with pytest.raises(ValueError, match=message):
        cosine_similarity_matrix(a, b)


def test_distances_of_equal_and_nearly_equal_rows(rng):
    a = rng.normal(size=(7, 5))
    assert (cosine_distance(a, a) == 0).all()
    assert np.allclose(cosine_distance(a, 3 * a), 0, atol=1e-30)
    nearly = cosine_distance([[1.0, 1e-9]], [[1.0, 0.0]])[0]
    assert np.isclose(nearly, 0.5e-18, rtol=1e-6, atol=0)
    assert np.allclose(cosine_distance([[3, 4], [1, 0]], [[1, 0], [0, 5]]), [0.4, 1])
    with pytest.raises(ValueError, match=r"a has shape \(7, 5\) and b \(4, 5\)"):
        cosine_distance(a, a[:4])


@pytest.mark.parametrize("margin", [0, 0.07, 0.1, 0.5, 2])
def test_the_loss_between_its_ends(rng, margin):
    distance = rng.uniform(0, 2, size=200)
    terms = [*distance, *[margin - d if d < margin else 0 for d in distance]]
    assert np.isclose(contrastive_loss(distance, margin), sum(terms) / len(terms))
    assert np.isclose(
        contrastive_loss(distance, margin), contrastive_losses(distance, margin).mean()
    )
    assert contrastive_losses(distance, margin).min() >= loss_floor(margin)
    assert contrastive_loss([2.0], margin) == 1
    assert contrastive_loss([0.0], margin) == loss_floor(margin)


def test_what_the_loss_takes_and_refuses():
    assert contrastive_loss([-1e-8], 0) == 0  # rounding of a single-precision distance
    assert contrastive_losses(np.ones((2, 3)), 0.1).shape == (2, 3)
    assert np.isclose(contrastive_loss([0, 0.05, 0.1, 0.5], 0.1), 0.1)
    for distance, margin, message in (
        ([0.1], 2.5, "margin=2.5 is outside"),
        ([0.1, -0.5], 0.1, "finite and at least 0, got -0.5"),
        ([], 0.1, "no distances"),
    ):
        with pytest.raises(ValueError, match=message):
            contrastive_loss(distance, margin)
    with pytest.raises(ValueError, match="margin=nan"):
        loss_floor(float("nan"))


def test_ceiling_of_accuracy(rng):
    assert accuracy_ceiling(0) == 1 and accuracy_ceiling(0.1, -1) == 0
    for _ in range(200):
        some = rng.uniform(0, rng.uniform(0.01, 2), size=rng.integers(1, 30))
        margin = rng.uniform(0, 0.5)
        ceiling = accuracy_ceiling(margin, 1 - some.mean())
        assert contrastive_accuracy(some, margin) <= ceiling + 1e-12
    with pytest.raises(ValueError, match="divided by 100"):
        accuracy_ceiling(0.1, 81.5)
    for accuracy in (0.938, 0.939, 0.95):  # Table 2, against a margin of 0.1
        assert -1e-12 < accuracy_ceiling(0.1) - accuracy < 0.013
    for loss, cosine in (
        (0.035117637, 0.92117435),
        (0.03500075, 0.5109769),
        (0.03300126, 0.5102735),
    ):
        assert 1 - loss > accuracy_ceiling(0, cosine) and 2 * loss < 0.0703  # Table 1
    for accuracy, cosine in ((0.938, 0.815), (0.939, 0.82), (0.95, 0.745)):
        assert accuracy > accuracy_ceiling(0, cosine)


@pytest.mark.parametrize("k", [1, 3, 8, 20])
def test_topk_without_ties(rng, k):
    similarity, target = rng.normal(size=(50, 8)), rng.integers(0, 8, size=50)
    ranked = [sorted(range(8), key=lambda j, row=row: -row[j])[:k] for row in similarity]
    oracle = [t in nearest for nearest, t in zip(ranked, target, strict=True)]
    assert (topk_hits(similarity, target, k) == oracle).all()
    assert topk_accuracy(similarity, target, k) == np.mean(oracle)
    order = rng.permutation(8)  # renaming the targets changes nothing
    renamed = topk_accuracy(similarity[:, order], np.argsort(order)[target], k)
    assert renamed == topk_accuracy(similarity, target, k)


def test_topk_at_its_limits(rng):
    similarity = rng.normal(size=(50, 8))
    assert topk_accuracy(np.ones((3, 1)), np.zeros(3, int)) == 1  # one target cannot be missed
    blind = topk_accuracy(rng.normal(size=(20_000, 8)), rng.integers(0, 8, 20_000), 5)
    assert abs(blind - 5 / 8) < 0.02
    for some, target, k, message in (
        (similarity, np.zeros(50, int), 0, "k=0"),
        (similarity[:2], np.array([0, 8]), 1, r"0 … 7, got 0 … 8"),
        (
            similarity[:2],
            np.array(["tabby", "tuna"]),
            1,
            "target must be .* 0 … 7, got .* type <U5",
        ),
        (similarity, np.array([0, 1, 2]), 1, r"\(50, 8\) and target \(3,\)"),
        ([[0.1, 0.2], [np.nan, 0.1]], np.array([0, 1]), 1, "row 1 of similarity is not finite"),
    ):
        with pytest.raises(ValueError, match=message):
            topk_hits(some, target, k)


def test_cosine_margin_against_a_loop(rng):
    similarity, target = rng.normal(size=(50, 8)), rng.integers(0, 8, size=50)
    rows = list(zip(similarity, target, strict=True))
    plain = [row[t] - max(s for j, s in enumerate(row) if j != t) for row, t in rows]
    assert np.allclose(cosine_margin(similarity, target), plain)
    assert ((cosine_margin(similarity, target) > 0) == topk_hits(similarity, target)).all()
    with pytest.raises(ValueError, match="one target only"):
        cosine_margin([[0.3]], np.array([0]))


def test_tree_table_of_the_real_animals():
    tree, seen, unseen = all_animals(), animals().keys, unseen_animals().keys
    table = tree_table(tree, [[key] for key in seen], [*seen, *unseen])
    assert (table.heights == tree.lca_matrix(seen, [*seen, *unseen])).all()
    for i, key in enumerate(seen[::40]):
        for j, other in enumerate(unseen):
            assert table.depths[40 * i, 366 + j] == tree.depth(tree.lca(key, other))
    assert table.target_depths.tolist() == [len(tree.path(key)) - 1 for key in seen]
    clusters = [list(seen[:2]), list(seen[100:140]), [seen[0], seen[365]]]
    table = tree_table(tree, clusters, unseen)
    for group, heights, depth in zip(clusters, table.heights, table.target_depths, strict=True):
        shared = set.intersection(*(set(tree.path(key)) for key in group))
        assert depth == len(shared) - 1
        for key, height in zip(unseen, heights, strict=True):
            common = shared & set(tree.path(key))
            assert height == tree.height(max(common, key=tree.depth))


def test_a_class_outside_the_tree_is_unknown():
    tree, seen = all_animals(), animals().keys
    table = tree_table(tree, [["own"], [seen[0]], [seen[0], "own"]], [seen[0], "own"])
    assert np.isnan(table.heights).tolist() == [[True, True], [False, True], [True, True]]
    assert (np.isnan(table.depths) == np.isnan(table.heights)).all()
    assert np.isnan(table.target_depths).tolist() == [True, False, True]
    nothing = tree_table(None, [["a"], ["b"]], ["a", "b"])
    assert np.isnan(tree_scores(np.eye(2), np.arange(2), nothing)).all()


def test_tree_scores_count_ties_by_lot_and_know_no_mistakes():
    tree, seen = all_animals(), animals().keys[::60]
    n = len(seen)
    table = tree_table(tree, [[key] for key in seen], seen)
    right = tree_scores(np.eye(n), np.arange(n), table)
    assert right.lca_height == 0 and np.isnan(right.lca_height_mistakes) and right.f == 1
    blind = tree_scores(np.ones((n, n)), np.arange(n), table)
    assert np.isclose(blind.lca_height, table.heights.mean())
    assert np.isclose(blind.lca_height_mistakes, table.heights.sum() / (n * (n - 1)))
    root = tree_scores(np.ones((n, 1)), np.zeros(n, int), tree_table(tree, [animals().keys], seen))
    assert root.recall == root.f == 0 and np.isnan(root.precision)  # only the root is named
    swapped = tree_scores(np.eye(n)[[1, *range(1, n)]], np.arange(n), table)
    assert np.isclose(swapped.lca_height, swapped.lca_height_mistakes / n)


def test_mean_pairwise_cosine_at_its_ends(rng):
    embeddings = rng.normal(size=(30, 6)) + 1
    longer = embeddings * rng.uniform(0.1, 9, (30, 1))
    assert np.isclose(mean_pairwise_cosine(longer), mean_pairwise_cosine(embeddings))
    assert mean_pairwise_cosine(np.ones((5, 3))) == pytest.approx(1)
    assert mean_pairwise_cosine([[1, 0], [-2, 0]]) == -1
    with pytest.raises(ValueError, match="1 embedding has no pairs"):
        mean_pairwise_cosine([[1, 2]])


def test_effective_rank_under_rotation_and_scale(rng):
    embeddings = rng.normal(size=(30, 6)) + 1
    rank = effective_rank(embeddings)
    rotation = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    assert np.isclose(effective_rank(embeddings @ rotation * 7), rank) and 1 <= rank <= 6
    p = np.sqrt(np.linalg.eigvalsh(embeddings.T @ embeddings))
    p = p / p.sum()
    assert np.isclose(rank, np.exp(-(p * np.log(p)).sum()))


def test_effective_rank_of_nothing():
    assert np.isclose(effective_rank(np.outer([1, 2, 3], [1, 1])), 1)
    assert effective_rank(np.zeros((2, 2))) == 0
    with pytest.raises(ValueError, match="finite"):
        effective_rank([[1, np.nan]])


def test_collapse_flatters_the_papers_measures(rng):
    label = np.repeat(np.arange(30), 10)
    signal, noise = rng.normal(size=(30, 64)), rng.normal(size=(300, 64))
    common, top1 = 8 * rng.normal(size=64), []
    for share in (0, 0.99):
        targets = (1 - share) * signal + share * common
        images = (1 - share) * (signal[label] + 2.5 * noise) + share * common
        similar = cosine_similarity_matrix(images, targets)
        own = similar[np.arange(300), label]
        top1.append(topk_accuracy(similar, label))
        assert own.mean() < 0.5 if share == 0 else own.mean() > 0.99
    assert abs(top1[0] - top1[1]) < 0.1
    assert np.isclose(contrastive_accuracy(1 - own, 0.1), accuracy_ceiling(0.1))
    assert abs(cosine_margin(similar, label).mean()) < 0.01


def test_the_row_of_seen_csv(rng):
    eye = np.eye(6)
    measured = seen_measures(eye[[0, 1, 2, 3]], eye, np.array([0, 1, 2, 4]), margin=0.1)
    tree = ("lca_height", "lca_height_mistakes", "hierarchical_f")
    assert measured == {
        "n_images": 4,
        "n_targets": 6,
        "top1": 0.75,
        "top5": 0.75 + 0.25 * 4 / 5,
        "chance": 1 / 6,
        "cosine": 0.75,
        "contrastive_loss": pytest.approx((3 * 0.05 + 0.5) / 4),
        "contrastive_accuracy": pytest.approx(1 - 0.65 / 4),
        "mean_pairwise_cosine": 0,
        **dict.fromkeys(tree, pytest.approx(np.nan, nan_ok=True)),
        "best_constant": 0.25,
    }
    embeddings, targets, own = rng.normal(size=(30, 6)), rng.normal(size=(4, 6)), np.arange(30) % 4
    measured = seen_measures(embeddings, targets, own, margin=0.3)
    other = seen_measures(embeddings, targets, own, margin=0.3, scores=np.eye(4)[own])
    assert other["top1"] == 1 and other["cosine"] == measured["cosine"]  # another decision
    distance = cosine_distance(embeddings, targets[own])
    assert np.isclose(measured["cosine"], 1 - distance.mean())
    assert np.isclose(measured["contrastive_loss"], contrastive_loss(distance, 0.3))


SEEN = ["tabby", "Persian", "bison", "wolf", "tuna", "gazelle"]
CLUSTERS = np.array([0, 0, 1, 1, 2, 2])
KIN = kin_matrix([["tabby", "Persian"], ["bison", "gazelle"]], SEEN)


def test_placements_by_hand():
    assert holds_kin(KIN, CLUSTERS).tolist() == [[True, False, False], [False, True, True]]
    assert placement_scores(np.array([1, 1]), KIN, CLUSTERS).tolist() == [False, True]
    assert np.allclose(placement_chance(KIN, CLUSTERS), [1 / 3, 2 / 3])
    level0 = np.arange(6)
    assert placement_scores(np.array([1, 4]), KIN, level0).tolist() == [True, False]
    assert np.allclose(placement_chance(KIN, level0), [2 / 6, 2 / 6])


def test_placements_against_sets(rng):
    def right(members, kin):
        return not set(members).isdisjoint(kin)

    groups = [list(rng.choice(40, size=rng.integers(1, 6), replace=False)) for _ in range(15)]
    member = np.concatenate([np.arange(9), rng.integers(0, 9, 31)])
    table, choice = kin_matrix(groups, range(40)), rng.integers(0, 9, 15)
    members = [np.flatnonzero(member == c).tolist() for c in range(9)]
    scores = placement_scores(choice, table, member)
    assert scores.tolist() == [right(members[c], g) for c, g in zip(choice, groups, strict=True)]
    by_target = [np.mean([right(m, g) for m in members]) for g in groups]
    assert np.allclose(placement_chance(table, member), by_target)
    best = max(sum(right(m, g) for g in groups) for m in members)
    assert best_constant_placement(table, member)[1] == best
    photos = rng.integers(0, 15, 50)  # a row of kin for each
    assert (placement_scores(choice[photos], table[photos], member) == scores[photos]).all()


def test_chance_of_the_real_animals():
    tree, seen, unseen = all_animals(), animals().keys, unseen_animals().keys
    kin = kin_matrix([tree.kin(key, seen) for key in unseen], seen)
    assert kin.shape == (20, 366)
    assert placement_chance(kin, np.arange(366)).tolist() == (kin.sum(axis=1) / 366).tolist()


@pytest.mark.parametrize(
    "compute, message",
    [
        (lambda: kin_matrix([["tabby"], []], SEEN), "unseen class 1: no kin"),
        (lambda: kin_matrix([["lynx"]], SEEN), "unseen class 0: kin 'lynx' is not a seen class"),
        (lambda: kin_matrix([["a"]], ["a", "a"]), "2 seen classes hold 1 repeated"),
        (
            lambda: holds_kin(np.array([[True], [False]]), np.array([0])),
            "unseen class 1 has no kin",
        ),
        (lambda: holds_kin(KIN, CLUSTERS * 2), "without a gap"),
        (lambda: placement_scores(np.array([0, 3]), KIN, CLUSTERS), "0 … 2, got 0 … 3"),
        (lambda: placement_scores(np.array([0]), KIN, CLUSTERS), "one choice for each of 2"),
    ],
)
def test_placements_refuse(compute, message):
    with pytest.raises(ValueError, match=message):
        compute()


AUTHORS = Path(__file__).resolve().parent.parent.parent / "shared" / "data" / "authors"


@pytest.mark.skipif(not AUTHORS.is_dir(), reason="the authors' arrays are not beside the project")
def test_what_the_authors_published():
    for level in (0, 1, 2):
        with np.load(AUTHORS / f"unseen_level{level}.npz") as arrays:
            assert mean_pairwise_cosine(arrays["mean"]) > 0.997
    tree, seen, unseen = all_animals(), animals().keys, unseen_animals().keys
    kin = kin_matrix([tree.kin(key, seen) for key in unseen], seen)
    clusters = pd.read_csv(AUTHORS / "hierarchy_88_8.csv").set_index("wnid").loc[list(seen)]
    published = pd.read_csv(AUTHORS / "few_shot_mapping.csv").set_index("slug").loc[list(unseen)]
    for level, column, right in (
        ("parent", "level1_cluster_k88", 1),
        ("super_parent", "level2_cluster_k8", 2),
    ):
        member = clusters[level].to_numpy()
        scores = placement_scores(published[column].to_numpy(), kin, member)
        summary = placement_summary(scores, placement_chance(kin, member))
        assert summary.right == right and summary.p_chance > 0.05
    assert best_constant_placement(kin, member)[1] == 10
