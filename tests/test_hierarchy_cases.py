"Phase 1 at its limits: interrupted sweeps, torn files, names that look like numbers, and what is refused."

from dataclasses import fields
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.cluster import KMeans
from sklearn.metrics import silhouette_score

from chip.compute.clusterers import CLUSTERERS, centroids, cluster
from chip.compute.k_sweep import KeptSweep, SweepSettings, sweep_k
from chip.core.settings import Settings
from chip.hierarchy import (
    Hierarchy,
    class_means,
    elbow,
    hierarchy_text,
    load_hierarchy,
    majority,
    read_hierarchy,
    save_hierarchy,
    successive_means,
    unit_rows,
)

RNG = np.random.default_rng(0)
CLOUD = np.repeat(np.eye(3, 40) * 5, 8, axis=0) + RNG.normal(size=(24, 40)) * 0.3


def test_class_means_refuse():
    x, y = RNG.normal(size=(9, 4)), np.array([0, 1, 2] * 3)
    torn = np.where(np.arange(9)[:, None] == 2, np.nan, x)
    for embeddings, labels, n, names, message in (
        (x, y, 4, None, "class 3 has no image"),
        (x[::3], y[::3], 2, ["ant", "cat"], r"class 1 \('cat'\) has no image"),
        (x, y, 2, None, "label 2 is out of range"),
        (torn, y, 3, None, "row 2 of 9"),
    ):
        with pytest.raises(ValueError, match=message):
            class_means(embeddings, labels, n, names)


def test_means_of_images_in_succession():
    x, y = RNG.normal(size=(25, 4)), np.repeat([1, 0], [13, 12])
    means, of = successive_means(x, y, 5)
    assert of.tolist() == [0, 0, 0, 1, 1, 1]
    assert np.allclose(means[0], unit_rows(x[13:18]).mean(axis=0))
    assert np.allclose(means[5], unit_rows(x[10:13]).mean(axis=0))
    singles = unit_rows(x)[np.argsort(y, kind="stable")]
    assert np.allclose(successive_means(x, y, 1)[0], singles)
    assert np.allclose(successive_means(x, y, 99)[0], class_means(x, y, 2))  # the first pooling
    assert len(successive_means(np.ones((1300, 2)), np.zeros(1300, int))[0]) == 130  # the paper's
    with pytest.raises(ValueError, match="group=0"):
        successive_means(x, y, 0)


def test_majority_and_its_ties():
    clusters = majority(np.array([0, 0, 0, 1, 1, 2]), np.array([5, 5, 3, 3, 3, 5]))
    assert clusters.tolist() == [0, 1, 0]
    tie = majority(np.array([0, 0, 1]), np.array([4, 2, 4]))
    assert tie.tolist() == [0, 1]  # the lower number, 2


def test_a_sweep_against_scikit_learn_and_in_one_thread():
    sweep = sweep_k(CLOUD, range(2, 7), SweepSettings(5))
    assert sweep["k"].tolist() == [2, 3, 4, 5, 6]
    assert sweep.loc[sweep["silhouette"].idxmax(), "k"] == 3 == elbow(sweep["k"], sweep["inertia"])
    for row in sweep.itertuples():
        labels = cluster(CLOUD, row.k, restarts=5, seed=0)
        assert abs(row.silhouette - silhouette_score(CLOUD, labels)) < 1e-9
        plain = KMeans(row.k, n_init=5, random_state=0).fit(CLOUD)
        assert row.inertia <= plain.inertia_ * 1.001
    pd.testing.assert_frame_equal(sweep, sweep_k(CLOUD, range(2, 7), SweepSettings(5, jobs=1)))
    with pytest.raises(ValueError, match="between 2 and 23"):
        sweep_k(CLOUD, range(2, 25), SweepSettings(1))


def test_settings_know_every_clusterer():
    choices = next(f for f in fields(Settings) if f.name == "clusterer").metadata["choices"]
    assert tuple(CLUSTERERS) == choices


def test_an_interrupted_sweep_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    healthy, calls = CLUSTERERS["kmeans"], []

    def prepare(points: np.ndarray, restarts: int, seed: int):
        fit = healthy(points, restarts, seed)

        def one(k: int) -> np.ndarray:
            calls.append(k)
            if len(calls) == 4:
                raise KeyboardInterrupt
            return fit(k)

        return one

    path = tmp_path / "sweep.parquet"
    how = SweepSettings(5, jobs=1, keep=path)
    monkeypatch.setitem(CLUSTERERS, "kmeans", prepare)
    with pytest.raises(KeyboardInterrupt):
        sweep_k(CLOUD, range(2, 7), how)
    resumed = sweep_k(CLOUD, range(2, 7), how)
    assert calls == [2, 3, 4, 5, 5, 6]  # nothing twice but what broke off
    monkeypatch.undo()
    pd.testing.assert_frame_equal(resumed, sweep_k(CLOUD, range(2, 7), SweepSettings(5)))
    assert KeptSweep(path, CLOUD * 2, "kmeans", 5, 0).rows == {}  # other points do not use it
    path.write_text("no parquet")
    with pytest.warns(UserWarning, match="no kept sweep"):
        assert KeptSweep(path, CLOUD).rows == {}


def test_the_elbow_depends_on_the_range_where_there_is_no_corner():
    assert elbow([2, 3, 4, 5, 6], [100, 50, 10, 9, 8]) == 4
    assert elbow([2, 3, 4, 5, 6], [1, 0.5, 0.1, 0.09, 0.08]) == 4
    short, long = range(2, 21), range(2, 201)
    assert elbow(short, [1 / k for k in short]) < elbow(long, [1 / k for k in long])


@pytest.fixture
def six() -> Hierarchy:
    "Six animals in three parents and two super-parents."
    level0 = unit_rows(np.random.default_rng(1).normal(size=(6, 5)))
    parent, super_of = np.array([0, 0, 1, 2, 2, 2]), np.array([0, 1, 1])
    level1 = centroids(level0, parent)
    return Hierarchy(
        tuple("abcdef"),
        ("ant", "bee", "cat", "dog", "elk", "fox"),
        parent,
        super_of,
        (level0, level1, centroids(level1, super_of)),
        (("insects", "cats", "others"), ("insects", "mammals")),
        {"encoder": "none"},
    )


def test_d_is_loaded_as_it_was_saved(six: Hierarchy, tmp_path: Path):
    save_hierarchy(six, tmp_path / "d.parquet")
    again = load_hierarchy(tmp_path / "d.parquet")
    assert again.keys == six.keys and again.names == six.names and again.about == six.about
    assert again.cluster_names == six.cluster_names
    assert np.array_equal(again.parent, six.parent) and np.array_equal(again.super_of, six.super_of)
    for ours, loaded in zip(six.targets, again.targets, strict=True):
        assert np.array_equal(ours, loaded)
    assert list(six.table()) == [
        "wnid",
        "name",
        "parent",
        "parent_name",
        "super_parent",
        "super_parent_name",
    ]
    assert six.members(2, 1) == ["c", "d", "e", "f"] and six.children(1, 2) == [3, 4, 5]


@pytest.mark.parametrize(
    "column, row, value, message",
    [
        ("wnid", 1, "a", "'a' has two"),
        ("target_0", 2, np.full(5, np.nan), "the target_0 of 'c' is not finite"),
        ("target_1", 1, np.zeros(4), "the target_1 of 'b' has 4 numbers, others 5"),
        ("target_2", 5, np.zeros(5), "the target_2 of 'f' is not that of its super_parent"),
        ("super_parent", 5, 0, "parent 2 lies in two super-parents"),
        ("parent", 2, 7, "without a gap"),
    ],
)
def test_a_spoilt_d_is_refused(six: Hierarchy, tmp_path: Path, column, row, value, message):
    path = tmp_path / "d.parquet"
    save_hierarchy(six, path)
    table = pq.read_table(path)
    frame = table.to_pandas()
    frame.at[row, column] = value
    spoilt = pa.Table.from_pandas(frame, preserve_index=False)
    pq.write_table(spoilt.replace_schema_metadata(table.schema.metadata), path)
    with pytest.raises(ValueError, match=message):
        load_hierarchy(path)


def test_what_is_no_hierarchy(six: Hierarchy, tmp_path: Path):
    path = tmp_path / "d.parquet"
    for content in (b"not a table", b"PAR1\x00\x00PAR1", b""):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="is no hierarchy"):
            load_hierarchy(path)
    six.table().to_parquet(path)
    with pytest.raises(ValueError, match="lacks target_0, target_1, target_2"):
        load_hierarchy(path)


def test_d_as_text(six: Hierarchy):
    assert hierarchy_text(six, most_classes=2).splitlines() == [
        "insects: 2 classes in 1 parent",
        "└── insects: ant, bee",
        "mammals: 4 classes in 2 parents",
        "├── cats: cat",
        "└── others: dog, elk …",
    ]
    assert hierarchy_text(six, most_parents=1).splitlines()[3:] == ["├── cats: cat", "└── … 1 more"]


def test_a_hierarchy_from_a_file(tmp_path: Path):
    path = tmp_path / "h.csv"

    def read(text: str, *keys: str) -> list[list[int]]:
        path.write_text(text)
        return [numbers.tolist() for numbers in read_hierarchy(path, keys)]

    whole = "wnid,parent,super_parent\na,7,1\nb,7,1\nc,3,0\nd,9,1\n"
    assert read(whole, "a", "c", "d", "b") == [[1, 0, 2, 1], [0, 1, 1]]
    assert read(whole, "a", "d")[0] == [0, 1]  # renumbered without a gap
    odd_names = "wnid,parent,super_parent\nNA,7,1\n007,NA,nan\n"
    assert read(odd_names, "007", "NA") == [[1, 0], [0, 1]] and read(odd_names)[0] == []
    for text, keys, message in (
        (whole, "ax", "lacks 1 of the 2 classes, the first is 'x'"),
        ("wnid,parent,super_parent\na,7,1\nb,7,2\n", "ab", "parent 7 lies in two"),
        ("wnid,parent\na,7\n", "a", "lacks the column super_parent"),
        ("wnid,parent,super_parent\na,7,1\na,7,1\n", "a", "lists 'a' twice"),
        ("wnid,parent,super_parent\na,7,1\nb,,1\n", "ab", "line 3: 'b' has no parent"),
    ):
        with pytest.raises(ValueError, match=message):
            read(text, *keys)
