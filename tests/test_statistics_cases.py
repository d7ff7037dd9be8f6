"Intervals, differences and placements: edge cases and what is refused."

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from chip.core.statistics import (
    bootstrap_interval,
    both_levels,
    mean_of,
    paired_difference,
    placement_summary,
    placements_by_seed,
    seed_mean,
    summarise_placements,
    t_interval,
    wilson_count,
    wilson_interval,
)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_wilson():
    low, high = wilson_interval(14, 20)
    assert wilson_interval(6, 20) == pytest.approx((1 - high, 1 - low))
    assert 0.45 < low < 0.5 and 0.85 < high < 0.9
    assert wilson_interval(14, 20, level=0.5).low > low
    assert np.allclose(wilson_count(3, 20), np.array(wilson_interval(3, 20)) * 20)
    for wrong, says in (((21, 20), "successes=21, n=20"), ((0, 0), "n at least 1")):
        with pytest.raises(ValueError, match=says):
            wilson_interval(*wrong)
    with pytest.raises(ValueError, match="level=95"):
        wilson_interval(1, 2, level=95)


def test_placement_summary():
    same = placement_summary(np.arange(20) < 14, np.full(20, 0.25))
    assert np.isclose(same.p_chance, stats.binom.sf(13, 20, 0.25)) and same.expected == 5
    assert (same.right, same.total) == (14, 20)
    assert (same.low, same.high) == wilson_interval(14, 20)
    assert placement_summary([False], [0.5]).p_chance == 1
    with pytest.raises(ValueError, match="chance in"):
        placement_summary([True], [1.5])


def test_means_over_seeds():
    assert t_interval([0.1, 0.1, 0.1]) == (0.1, 0.1) and np.isnan(t_interval([0.5])).all()
    with pytest.raises(ValueError, match="at least one number"):
        t_interval([])
    assert np.isnan(mean_of([]).mean) and np.isnan(mean_of([1, np.nan]).mean)
    table = pd.DataFrame({"seed": [0, 1, 0], "method": list("aab"), "top1": [1.0, 3.0, 5.0]})
    assert seed_mean(table, "top1", method="a").mean == 2
    assert seed_mean(table, "top1", method="c").n == 0
    with pytest.raises(ValueError, match="several rows of one seed"):
        seed_mean(table, "top1")


def test_bootstrap(rng: np.random.Generator):
    sample = rng.normal(5, 2, size=40)
    ours = bootstrap_interval(sample, np.random.default_rng(1))
    assert ours == bootstrap_interval(sample, np.random.default_rng(1))  # the seed decides
    assert np.allclose(
        bootstrap_interval(3 * sample - 1, np.random.default_rng(1)), 3 * np.array(ours) - 1
    )
    assert np.isnan(bootstrap_interval([0.3], rng)).all()
    assert bootstrap_interval([0.25] * 9, rng) == (0.25, 0.25)
    assert np.isnan(bootstrap_interval([1, 1, 0], rng, groups=["kiwi"] * 3)).all()
    assert bootstrap_interval([1, 1, 1], rng, groups=[0, 0, 1]) == (1, 1)
    for wrong, says in (([1, np.nan], "all finite"), ([], r"shape \(0,\)")):
        with pytest.raises(ValueError, match=says):
            bootstrap_interval(wrong, rng)
    with pytest.raises(ValueError, match="unlike lengths"):
        bootstrap_interval([1, 2], rng, groups=[1])


def test_paired_difference(rng: np.random.Generator):
    one, two = rng.normal(0.5, 0.5, 60), rng.normal(0, 0.5, 60)
    apart = paired_difference(one, two, np.random.default_rng(0))
    back = paired_difference(two, one, np.random.default_rng(0))
    assert np.allclose(
        [back.difference, back.low, back.high],
        [-apart.difference, -apart.high, -apart.low],
        atol=0.05,
    )
    assert paired_difference(one, one, rng) == (0, 0, 0, 60)
    alone = paired_difference([True], [False], rng)
    assert alone.difference == 1 and np.isnan(alone.low) and alone.n == 1
    each_own = paired_difference(one, two, np.random.default_rng(0), groups=np.arange(60))
    assert np.allclose(each_own[:3], apart[:3], atol=0.05)  # groups of one are no groups
    with pytest.raises(ValueError, match=r"a \(60,\), b \(59,\)"):
        paired_difference(one, two[:-1], rng)


def test_groups_that_agree_have_as_many_voices_as_there_are_groups(rng: np.random.Generator):
    species = np.repeat(["ibis", "kiwi", "tuna", "deer"], 15)
    copies = np.repeat([1.0, 0.0, 1.0, 0.0], 15)  # photos of a class all agree
    wide, narrow = (
        paired_difference(copies, np.zeros(60), np.random.default_rng(0), groups=groups)
        for groups in (species, None)
    )
    assert wide.difference == narrow.difference == 0.5
    assert wide.high - wide.low > 2 * (narrow.high - narrow.low)
    order = rng.permutation(60)
    again = paired_difference(
        copies[order], np.zeros(60), np.random.default_rng(0), groups=species[order]
    )
    assert again == wide


COLUMNS = ["method", "seed", "level", "slug", "right", "chance", "photos_right", "photos_total"]


def test_placements_of_nothing_and_of_classes_without_kin():
    nothing = pd.DataFrame()
    assert placements_by_seed(nothing).empty and summarise_placements(nothing).empty
    assert both_levels(nothing).empty
    unknown = pd.DataFrame([("paper", 0, 1, "tuna", None, np.nan, None, 9)], columns=COLUMNS)
    assert summarise_placements(unknown).empty and both_levels(unknown).empty


def test_placements_agree_with_a_loop(rng: np.random.Generator):
    table = pd.DataFrame(
        [
            (run, method, seed, level, slug, int(rng.random() < 0.5), 0.25, int(rng.integers(4)), 4)
            for run in "xy"
            for method in ("paper", "frozen")
            for seed in range(3)
            for level in range(3)
            for slug in ("kiwi", "tuna", "ibis")
        ],
        columns=["run", *COLUMNS],
    )
    of_runs = placements_by_seed(table, ["run"])
    for run, rows in table.groupby("run"):
        alone = of_runs[of_runs["run"] == run].drop(columns="run").reset_index(drop=True)
        pd.testing.assert_frame_equal(alone, placements_by_seed(rows))
    summary = summarise_placements(table[table.run == "y"])
    assert len(summary) == 2 * 3
    for row in summary.itertuples():
        own = table[(table.run == "y") & (table.method == row.method) & (table.level == row.level)]
        counts = [own[own.seed == seed].right.sum() for seed in range(3)]
        assert row.right == np.mean(counts) and row.total == 3 and row.seeds == 3
        assert (row.low, row.high) == wilson_count(row.right, 3) and np.isclose(row.chance, 0.75)
        assert np.isclose(row.photo_rate, own.photos_right.sum() / own.photos_total.sum())
        assert np.isclose(row.photo_rate_balanced, row.photo_rate)  # as many photos of each class
    both = both_levels(table[table.run == "x"])
    pairs = table[(table.run == "x") & table.level.isin([1, 2])]
    right = pairs.groupby(["method", "seed", "slug"]).right.min()
    assert both.right.tolist() == right.tolist() and (both.chance == 0.25**2).all()
    for rule, chance in (("base", 0.25), ("cost", 0.25), ("sum", 0.25**2)):  # handed up: one choice
        nested = both_levels(pairs.assign(method=pairs.method + f"_{rule}"))
        assert (nested.chance == chance).all()
