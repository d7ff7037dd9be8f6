"Points, ranges and labels that cannot be clustered or judged, and threads that break."

import numpy as np
import pytest
from scipy.cluster.hierarchy import linkage

from chip.compute.clusterers import (
    KMeansStarts,
    check_points,
    cluster,
    cut_linkage,
    find_clusterer,
    in_threads,
)
from chip.compute.silhouette import check_labels, silhouettes

POINTS = np.random.default_rng(0).normal(size=(20, 50))


@pytest.mark.parametrize(
    "points, k_min, k_max, message",
    (
        (POINTS, 5, 20, "between 2 and 19"),
        (POINTS, 9, 5, "k1_min=9 is above"),
        (np.where(np.arange(20)[:, None] == 3, np.inf, POINTS), 2, 5, "row 3, column 0 .* is inf"),
        (np.ones((9, 4)), 2, 3, "all 9 embeddings are the same"),
        (np.array([["a"]]), 2, 3, "expected a table of numbers"),
    ),
)
def test_points_that_cannot_be_clustered(points, k_min: int, k_max: int, message: str):
    with pytest.raises(ValueError, match=message):
        check_points(points, k_min, k_max, "k1")


def test_a_bad_row_is_named():
    with pytest.raises(ValueError, match=r"row 1 \('cat'\), column 0 .* is nan, and 1 more row"):
        check_points(np.array([[0.0], [np.nan], [np.nan]]), 2, 2, names=["ant", "cat", "dog"])


def test_what_cannot_be_asked_for():
    with pytest.raises(ValueError, match="k=9 clusters of 5 points"):
        cut_linkage(linkage(POINTS[:5], "ward"), 9)
    with pytest.raises(ValueError, match="leaves k-means no start"):
        KMeansStarts(POINTS, 0, 0, ward=False)
    with pytest.raises(ValueError, match="did you mean spherical"):
        find_clusterer("sphere")
    with pytest.raises(ValueError, match="between 2 and 19"):
        cluster(POINTS, 20)


@pytest.mark.parametrize("jobs", (1, 3))
def test_what_has_not_begun_is_dropped(jobs: int):
    begun = []

    def breaks(i):
        begun.append(i)
        if i == 2:
            raise RuntimeError("two")

    with pytest.raises(RuntimeError, match="two"):
        list(in_threads(breaks, range(1000), jobs))
    assert {0, 1, 2} <= set(begun) and len(begun) < 20


@pytest.mark.parametrize(
    "labels, message",
    (
        ([0, 0], "shape"),
        ([0, 0, 2], "without a gap"),
        ([0, -1, 1], "noise"),
        ([0, 0, 0], "2 to 2"),
        ([0, 1, 2], "2 to 2"),
    ),
)
def test_labels_that_have_no_silhouette(labels: list[int], message: str):
    with pytest.raises(ValueError, match=message):
        check_labels(np.array(labels), 3)


def test_a_point_that_is_no_number():
    points = POINTS.copy()
    points[3, 1] = np.nan
    with pytest.raises(ValueError, match="row 3, column 1 of the points is nan"):
        silhouettes(points, np.arange(20) % 2)
