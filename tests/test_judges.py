"Each judge on evidence that was changed: its verdict changes with it, and without evidence it says what is missing."

from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest

from chip.audit.claims import CLAIMS, SOURCES
from chip.audit.evidence import (
    CANNOT,
    CONTRADICTS,
    NAN,
    NOT,
    PARTLY,
    REPRODUCED,
    VERDICTS,
    Evidence,
    Lacking,
    kinship,
    near,
    spread_rows,
    taxonomy_facts,
)
from chip.audit.judges_hierarchy import (
    judge_all_animals,
    judge_cheapest,
    judge_k,
    judge_kinds,
    judge_per_class,
    judge_poolings,
    judge_released_k,
    judge_released_shapes,
    judge_unseen_classes,
)
from chip.audit.judges_placement import (
    judge_better,
    judge_chance,
    judge_drop_unseen,
    judge_fourteen,
    judge_released_alike,
    judge_released_fourteen,
    judge_released_labels,
    judge_released_levels,
    judge_released_nearest,
    judge_released_space,
    judge_released_table2,
)
from chip.audit.judges_training import (
    judge_apart,
    judge_classifier,
    judge_columns,
    judge_constant,
    judge_drop,
    judge_measure,
    judge_number,
    judge_other_measures,
    judge_pull,
    judge_shots,
    judge_text_accuracy,
    judge_text_cosine,
    judge_text_levels,
    judge_text_unseen,
)
from chip.audit.limits import spectrum
from chip.audit.summary import caution, verdict_counts
from chip.core.settings import make_settings
from chip.core.statistics import SeedMean
from chip.ledger import ledger
from chip.results import PAPER, Tables

LEVELS = (0, 1, 2)
NOTHING = pd.DataFrame()
THREE = [REPRODUCED, PARTLY, NOT]
FACTS = taxonomy_facts()
EMPTY = Tables(*[NOTHING] * 7)
BARE = Evidence(
    {(r.quantity, r.level): r.value for r in PAPER},
    EMPTY,
    make_settings("smoke"),
    "made up",
    "chip run smoke",
    facts=FACTS,
)


def with_tables(e: Evidence, **tables: pd.DataFrame) -> Evidence:
    return replace(e, tables=replace(e.tables, **tables))


def with_paper(**numbers: float) -> Evidence:
    "Had the paper printed other numbers: quantity_level=value."
    changed = {(k.rpartition("_")[0], int(k[-1])): v for k, v in numbers.items()}
    assert changed.keys() <= BARE.paper.keys()
    return replace(BARE, paper={**BARE.paper, **changed})


def with_seen(e: Evidence = BARE, **changes) -> Evidence:
    "A made-up seen.csv: columns as keyword, a pair of (paper, frozen) values at levels 0, 1, 2."
    usual = {"top1": 0.5, "chance": 0.1, "cosine": 0.5, "contrastive_loss": 0.1}
    usual |= {"contrastive_accuracy": 0.9, "mean_pairwise_cosine": 0.5}
    rows = [
        {
            "method": method,
            "seed": 0,
            "level": level,
            "n_images": 9,
            **usual,
            **{column: pairs[i][level] for column, pairs in changes.items()},
        }
        for i, method in enumerate(("paper", "frozen"))
        for level in LEVELS
    ]
    return with_tables(e, seen=pd.DataFrame(rows))


def with_unseen(e: Evidence = BARE, **columns: float) -> Evidence:
    usual = {"method": "paper", "seed": 0, "cosine": 0.4, "contrastive_accuracy": 0.95}
    rows = [
        {**usual, "level": level, "stage": stage, **columns}
        for level in LEVELS
        for stage in ("before", "after")
    ]
    return with_tables(e, unseen=pd.DataFrame(rows))


def with_placements(e: Evidence = BARE, **right) -> Evidence:
    "Made-up placements of 20 classes: method=(parents right, super-parents right)."
    rows = [
        {
            "method": method,
            "seed": 0,
            "level": level,
            "slug": f"u{i:02}",
            "right": int(i < (20, *counts)[level]),
            "chance": 0.1,
            "photos_right": 0,
            "photos_total": 1,
        }
        for method, counts in right.items()
        for level in LEVELS
        for i in range(20)
    ]
    return with_tables(replace(e, imagenet=True), placements=pd.DataFrame(rows))


def with_findings(*findings: tuple) -> Evidence:
    "Made-up findings: (finding, of, value at levels 0, 1, 2 or a single one)."
    rows = [
        (finding, of, level, v)
        for finding, of, value in findings
        for level, v in (enumerate(value) if isinstance(value, list) else [(None, value)])
    ]
    table = pd.DataFrame(rows, columns=["finding", "of", "level", "value"])
    return replace(BARE, released=table.astype({"level": "Int64", "value": float}))


def verdicts(judge, *evidence: Evidence) -> list[str]:
    return [judge(e).verdict for e in evidence]


def is_lacking(judge, e: Evidence = BARE) -> bool:
    with pytest.raises(Lacking):
        judge(e)
    return True


# ---- numbers


def test_near_counts_a_narrow_interval_and_no_wide_one():
    values = (0.945, 0.92, 0.8, NAN)
    assert [near(0.94, SeedMean(x, NAN, NAN, 1), 0.01) for x in values] == [*THREE, CANNOT]
    assert near(0.94, SeedMean(0.92, 0.91, 0.95, 5), 0.01) == REPRODUCED
    assert near(0.94, SeedMean(0.9, 0.5, 1.3, 2), 0.01) == NOT


def test_numbers_of_tables_and_text():
    accuracy = partial(judge_number, quantity="seen_accuracy_text", level=0)
    changed = [with_seen(contrastive_accuracy=([v] * 3, [0.5] * 3)) for v in (0.94, 0.92, 0.7)]
    assert verdicts(accuracy, *changed) == THREE
    unseen = partial(judge_number, quantity="unseen_accuracy", level=2)
    changed = [with_unseen(contrastive_accuracy=v) for v in (0.945, 0.93, 0.5)]
    assert verdicts(unseen, *changed) == THREE
    assert is_lacking(unseen) and is_lacking(partial(judge_number, quantity="seen_loss", level=0))


# ---- the paper against itself


def test_columns_of_a_table_fit_together_or_not():
    for level in LEVELS:
        assert judge_columns(BARE, 1, level).verdict == CONTRADICTS
        assert judge_columns(BARE, 2, level).verdict == CONTRADICTS
    assert judge_columns(with_paper(seen_loss_0=0.06), 1, 0).verdict == REPRODUCED
    assert judge_columns(with_paper(unseen_cosine_2=0.95), 2, 2).verdict == REPRODUCED


def test_the_text_beside_the_tables():
    by_level = [judge_text_cosine(BARE, level).verdict for level in LEVELS]
    assert by_level == [REPRODUCED, CONTRADICTS, CONTRADICTS]
    assert judge_text_cosine(with_paper(seen_cosine_1=0.86), 1).verdict == REPRODUCED
    assert judge_text_cosine(with_paper(seen_cosine_0=0.8), 0).verdict == CONTRADICTS
    all_higher = with_paper(seen_loss_0=0.06, seen_loss_1=0.06, seen_loss_2=0.06)
    changed = (BARE, with_paper(seen_loss_0=0.2), all_higher)
    assert verdicts(judge_text_accuracy, *changed) == [PARTLY, CONTRADICTS, REPRODUCED]
    changed = (BARE, with_paper(unseen_cosine_1=0.7), with_paper(seen_cosine_0=0.5))
    assert verdicts(judge_text_levels, *changed) == [PARTLY, REPRODUCED, CONTRADICTS]
    changed = (
        BARE,
        with_paper(seen_cosine_1=0.9, seen_cosine_2=0.9),
        with_paper(unseen_cosine_2=0.7),
    )
    assert verdicts(judge_text_unseen, *changed) == [CONTRADICTS, REPRODUCED, PARTLY]


# ---- data and hierarchy


def test_the_classes():
    counts = [FACTS[k] for k in ("seen", "animals", "unseen", "species", "unseen_is_seen")]
    assert counts == [366, 398, 20, 14, 0] and FACTS["unseen_holds_seen"] > 0
    changed = (BARE, replace(BARE, facts={**FACTS, "animals": 366}))
    assert verdicts(judge_all_animals, *changed) == [NOT, REPRODUCED]
    changed = [
        replace(BARE, facts={**FACTS, **f})
        for f in ({}, {"unseen_is_seen": 1}, {"unseen_holds_seen": 0})
    ]
    assert verdicts(judge_unseen_classes, *changed) == [PARTLY, NOT, REPRODUCED]
    changed = [
        replace(BARE, imagenet=True, per_class=c) for c in ((1300, 1300), (732, 1300), (600, 601))
    ]
    assert verdicts(judge_per_class, *changed) == THREE
    assert is_lacking(judge_per_class, replace(BARE, imagenet=True, per_class=(1, 1)))
    assert is_lacking(judge_per_class, replace(BARE, per_class=(1300, 1300)))


def test_the_number_of_clusters():
    judge = partial(judge_k, level=1)

    def swept(*silhouettes: float) -> Evidence:
        table = pd.DataFrame(
            {"level": 1, "k": [80, 84, 88, 92, 96], "inertia": 1.0, "silhouette": silhouettes}
        )
        return with_tables(replace(BARE, imagenet=True), sweep=table)

    first = swept(0.10, 0.14, 0.150, 0.148, 0.12)
    changed = (first, swept(0.1, 0.1, 0.148, 0.152, 0.1), swept(0.1, 0.2, 0.1, 0.1, 0.1))
    assert verdicts(judge, *changed) == THREE
    assert judge(first)[3:5] == (88, 92)
    assert is_lacking(judge) and is_lacking(judge, replace(BARE, imagenet=True))


def test_the_number_of_clusters_on_the_authors_points():
    judge = partial(judge_released_k, level=1)

    def found(share: float, theirs: float = 0.1) -> Evidence:
        return with_findings(
            ("sweeps that choose the paper's k", "", [0, share, 0]),
            ("most often chosen k", "", [0, 88, 0]),
            ("sweeps", "", [5, 5, 5]),
            ("silhouette of their fit", "", [0, theirs, 0]),
            ("highest silhouette of the sweeps", "", [0, 0.12, 0]),
        )

    changed = (found(1), found(0.2), found(0), found(0, 0.2))
    assert verdicts(judge, *changed) == [*THREE, PARTLY]

    def studied(*chose: int) -> Evidence:
        columns = {"start": ["a", "b"], "sweeps": [10, 1], "median_k": [114, 118]}
        columns |= {"silhouette": [0.13, 0.16], "silhouette_at_paper_k": [0.12, 0.15]}
        table = pd.DataFrame({"level": [1, 1], "chose_paper_k": chose, **columns})
        return replace(BARE, studies={"choice_of_k_authors": table})

    changed = (studied(9, 1), studied(4, 0), studied(1, 0))
    assert verdicts(judge, *changed) == THREE and judge(changed[1]).n == 11


def test_kin_in_clusters():
    heights = np.array([[0, 1, 3, 3], [1, 0, 3, 3], [3, 3, 0, 2], [3, 3, 2, 0]])
    ours, random, p = kinship(np.array([0, 0, 1, 1]), heights, np.random.default_rng(0))
    assert ours == 1.5 < random and 0 < p < 0.6
    assert np.isnan(kinship(np.arange(4), heights, np.random.default_rng(0))[0])
    judge = partial(judge_kinds, source="run")
    tree = pd.DataFrame({"level": [1, 2], "within": [1.0, 2.0], "shuffled": 3.0, "n": 16})
    changed = [replace(BARE, tree=tree.assign(p=p)) for p in (0.01, [0.005, 0.2], 0.5)]
    assert verdicts(judge, *changed) == THREE and is_lacking(judge)
    judge = partial(judge_kinds, source="files")
    changed = [
        with_findings(
            ("height within clusters", "", [0, 1, 1]),
            ("height by lot", "", [0, 3, 3]),
            ("p by lot", "", [0, *p]),
            ("classes", "", [9, 9, 9]),
        )
        for p in ((0.01, 0.01), (0.01, 0.5), (0.5, 0.5))
    ]
    assert verdicts(judge, *changed) == THREE


def test_the_poolings():
    def studied(**columns) -> Evidence:
        names = {"pooling": ["mean", "majority", "successive"], "points": [9, 99, 30]}
        return replace(BARE, studies={"poolings_x": pd.DataFrame({**names, **columns})})

    changed = [
        studied(silhouette=s) for s in ([0.1, 0.11, 0.09], [0.1, 0.14, 0.1], [0.1, 0.3, 0.1])
    ]
    assert verdicts(judge_poolings, *changed) == THREE
    changed = (studied(seconds=[1.0, 9, 5]), studied(seconds=[5, 1, 9.0]))
    assert verdicts(judge_cheapest, *changed) == [REPRODUCED, NOT]
    assert is_lacking(judge_poolings) and is_lacking(judge_cheapest)
    assert is_lacking(judge_poolings, changed[0])  # a study without silhouettes


# ---- training


def test_what_training_does():
    changed = [
        with_seen(mean_pairwise_cosine=(p, [0.5] * 3))
        for p in ([0.1] * 3, [0.1, 0.9, 0.9], [0.9] * 3)
    ]
    assert verdicts(judge_apart, *changed) == THREE
    changed = [
        with_seen(cosine=c)
        for c in (
            ([0.9, 0.8, 0.5], [0.9, 0.5, 0.6]),
            ([0.9, 0.8, 0.5], [0.9, 0.8, 0.5]),
            ([0.5, 0.5, 0.7], [0.9, 0.8, 0.5]),
        )
    ]
    assert verdicts(judge_drop, *changed) == THREE
    changed = [with_seen(top1=([p] * 3, [0.6] * 3)) for p in (0.7, 0.3, 0.1)]
    assert verdicts(judge_classifier, *changed) == THREE
    assert all(map(is_lacking, (judge_apart, judge_drop, judge_classifier, judge_shots)))


def test_a_level_that_was_not_measured_is_left_out():
    e = with_seen(mean_pairwise_cosine=([0.1, 0.9, NAN], [0.5] * 3))
    assert judge_apart(e).verdict == PARTLY and "at levels 0, 1:" in judge_apart(e).found
    assert is_lacking(judge_drop, with_seen(cosine=([0.5, 0.5, NAN], [0.5] * 3)))


def test_the_pull_of_training():
    judge = partial(judge_pull, table="curves")
    rows = [
        {"seed": 0, "level": level, "epoch": epoch, "split": "val"}
        for level in LEVELS
        for epoch in (0, 1)
    ]
    t = pd.DataFrame(rows)
    gains = (0.1 * t["epoch"], t["epoch"] * (t["level"] - 1), -0.1 * t["epoch"])
    changed = [with_tables(BARE, curves=t.assign(accuracy=0.5 + gain)) for gain in gains]
    assert verdicts(judge, *changed) == THREE and is_lacking(judge)


def test_the_number_of_shots():
    trained = ("paper", "authors", "epochs")
    ways = (
        ("none", "none", "epochs"),
        trained,
        ("paper", "authors", "updates"),
        ("paper", "gentle", "epochs"),
    )
    columns = ["loss", "manner", "equal", "n_shot", "seed", "level", "top1"]
    rows = [
        (*way, n, 0, level, 0.1 * n if way == trained else 0.9 - n)
        for way in ways
        for n in (1, 5)
        for level in LEVELS
    ]
    t = pd.DataFrame(rows, columns=columns)
    changed = [replace(BARE, studies={"shots": s}) for s in (t, t.assign(top1=-t["top1"]))]
    assert verdicts(judge_shots, *changed) == [NOT, REPRODUCED]


def made_spectra() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    targets, target = rng.normal(size=(20, 24)), np.repeat(np.arange(20), 3)
    table = spectrum(targets[target] + rng.normal(size=(60, 24)), targets, target, 0.1)
    return pd.concat([table.assign(level=level) for level in LEVELS], ignore_index=True)


def test_what_the_measure_can_say():
    spectra = made_spectra()

    def measured(accuracy) -> Evidence:
        return replace(BARE, spectra=spectra.assign(contrastive_accuracy=accuracy))

    changed = (measured(-spectra["top1"]), measured(spectra["top1"]))
    assert verdicts(judge_measure, *changed) == [NOT, REPRODUCED]
    of_run = partial(judge_constant, source="run")
    assert verdicts(of_run, replace(BARE, spectra=spectra), measured(0.95)) == [REPRODUCED, NOT]
    of_files = partial(judge_constant, source="files")
    changed = [
        with_findings(("accuracy of a constant", "", v))
        for v in ([0.5] * 3, [0.5, 0.95, 0.5], [0.95] * 3)
    ]
    assert verdicts(of_files, *changed) == THREE
    changed = (with_seen(), with_seen(chance=([0.9] * 3, [0.9] * 3)))
    assert verdicts(judge_other_measures, *changed) == [NOT, REPRODUCED]
    assert all(map(is_lacking, (judge_measure, of_run, of_files, judge_other_measures)))


# ---- placements


def test_one_method_against_another():
    judge = partial(judge_better, methods=("paper", "paper_base"), levels=(1, 2))
    changed = [
        with_placements(paper=a, paper_base=b)
        for a, b in (((15, 15), (5, 5)), ((6, 5), (5, 5)), ((5, 5), (5, 5)), ((2, 2), (9, 9)))
    ]
    assert verdicts(judge, *changed) == [*THREE, NOT] and is_lacking(judge)
    against_none = partial(judge_better, methods=("paper", "none"), levels=(1, 2))
    assert against_none(with_placements(paper=(15, 15), frozen=(5, 5))).ours == 10


def test_placements_against_chance_and_fourteen_of_twenty():
    changed = [with_placements(paper=c) for c in ((15, 15), (15, 2), (2, 2))]
    assert verdicts(judge_chance, *changed) == THREE
    changed = [with_placements(paper=(c, 20)) for c in (14, 13, 11, 4)]
    assert verdicts(judge_fourteen, *changed) == [REPRODUCED, *THREE]
    assert is_lacking(judge_fourteen, replace(changed[0], imagenet=False))
    assert is_lacking(judge_chance) and is_lacking(judge_fourteen)


def test_the_drop_to_unseen_classes():
    changed = [with_unseen(with_seen(), cosine=c) for c in (0.4, 0.6)]
    assert verdicts(judge_drop_unseen, *changed) == [REPRODUCED, NOT]
    assert is_lacking(judge_drop_unseen) and is_lacking(judge_drop_unseen, with_unseen())


# ---- the published files


def test_table_2_by_the_published_embeddings():
    judge = partial(judge_released_table2, level=0)
    changed = [
        with_findings(
            ("accuracy as written", "", [written] * 3),
            ("accuracy number by number", "", [single] * 3),
            ("accuracy number by number, margin 0.07", "", [single] * 3),
            ("nearest targets in use", "", [1, 1, 1]),
        )
        for written, single in ((0.938, 0.5), (0.9, 0.9), (0.9, 0.937))
    ]
    assert verdicts(judge, *changed) == THREE


def test_the_published_embeddings():
    changed = [
        with_findings(
            ("cosine between unseen classes", "", v), ("nearest targets in use", "", [1, 1, 1])
        )
        for v in ([0.5] * 3, [0.5, 0.5, 0.999], [0.999] * 3)
    ]
    assert verdicts(judge_released_alike, *changed) == THREE
    changed = [
        with_findings(("largest difference from level 0", "", v))
        for v in ([0, 0.1, 0.2], [0, 0, 0.2], [0, 0, 0])
    ]
    assert verdicts(judge_released_levels, *changed) == THREE
    changed = [
        with_findings(("length of an unseen class", "", v), ("length of a target", "", [1, 1, 1]))
        for v in ([1, 1, 1.1], [1, 5, 1])
    ]
    assert verdicts(judge_released_space, *changed) == [REPRODUCED, NOT]
    changed = [
        with_findings(("targets", "", v), ("length of a target", "", [0.5] * 3))
        for v in ([366, 88, 8], [366, 107, 17])
    ]
    assert verdicts(judge_released_shapes, *changed) == [REPRODUCED, NOT]


def test_the_published_frames():
    n = ("unseen classes", "mapping", 20)
    each = [
        (finding, "mapping", [0, 5, 5])
        for finding in (
            "placed right",
            "placed right by blind choice",
            "chance of doing as well",
            "clusters in use",
        )
    ]
    changed = [
        with_findings(n, ("placed right at both levels", "mapping", v), *each) for v in (14, 12, 1)
    ]
    assert verdicts(partial(judge_released_fourteen, frame="mapping"), *changed) == THREE
    changed = [
        with_findings(n, ("vectors that are nearest by cosine", "mapping", v))
        for v in ([0, 20, 20], [0, 15, 12], [0, 3, 20])
    ]
    assert verdicts(judge_released_nearest, *changed) == THREE
    groups = (("parents in several groups", "", 1), ("parents in no group", "", 0))
    changed = [
        with_findings(
            n,
            *groups,
            *(
                (finding, frame, v)
                for finding in (
                    "labels that are their vector's",
                    "labels met at their vector's place",
                )
                for frame in ("mapping", "dataframe")
            ),
        )
        for v in ([0, 20, 20], [0, 15, 3], [0, 3, 3])
    ]
    assert verdicts(judge_released_labels, *changed) == THREE


# ---- the ledger


def test_without_evidence_the_ledger_is_complete_all_the_same():
    bare = ledger(BARE)
    assert len(bare) == len(CLAIMS) >= 25 and bare["id"].is_unique
    assert set(bare["verdict"]) <= set(VERDICTS)
    assert (bare["n"].isna() == bare["n_counts"].eq("")).all()
    untested = bare["verdict"] == CANNOT
    of_files = bare["setting"] == SOURCES["files"]
    assert untested[bare["setting"] == "made up"].all() and untested[of_files].all()
    assert (bare.loc[untested, "found"].str.len() > 20).all()
    assert bare.loc[of_files, "found"].str.contains("chip fetch authors").all()
    assert (bare.loc[untested & ~of_files, "needs"].str.len() > 10).all()
    assert (bare["command"].str.len() > 5).all() and (bare["verdict"] == CONTRADICTS).sum() == 9
    assert verdict_counts(bare).set_index("part").loc["all"].sum() == len(bare)


def test_what_is_counted_is_said():
    tree = pd.DataFrame({"level": [1, 2], "within": 1.0, "shuffled": 3.0, "p": 0.1, "n": 16})
    e = with_seen(replace(BARE, spectra=made_spectra(), tree=tree))
    e = with_placements(e, paper=(3, 3), frozen=(3, 3), paper_base=(3, 3), frozen_base=(3, 3))
    table = ledger(e)
    assert table["n_counts"].ne("")[table["n"].notna()].all()


def test_headlines_have_places_of_their_own():
    places = sorted(c.headline for c in CLAIMS if c.headline)
    assert places == list(range(1, len(places) + 1))


def test_a_run_in_another_setting_says_so():
    in_paper = replace(BARE, imagenet=True, settings=replace(BARE.settings, encoder="resnet152"))
    assert caution(in_paper) == [] and "not the paper's setting" in caution(BARE)[0]


def test_rows_are_spread_evenly():
    rows = pd.DataFrame({"i": range(1000)})
    assert len(spread_rows(rows, 300)) == 300
    assert spread_rows(rows, 2)["i"].tolist() == [0, 999] and spread_rows(rows, 5000) is rows
