"Each judge on evidence that was changed: its verdict changes with it, and without evidence it says what is missing."

import json
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest

from chip.audit.claims import (
    ALLOWING_MARGINS,
    CLAIMS,
    QUESTIONS,
    judge_all_animals,
    judge_apart,
    judge_authors_constant,
    judge_authors_k,
    judge_authors_kinds,
    judge_better,
    judge_cheapest,
    judge_classifier,
    judge_columns,
    judge_constant,
    judge_drop,
    judge_drop_unseen,
    judge_fourteen,
    judge_k,
    judge_kinds,
    judge_measure,
    judge_number,
    judge_other_measures,
    judge_per_class,
    judge_poolings,
    judge_pull,
    judge_pull_unseen,
    judge_released_alike,
    judge_released_fourteen,
    judge_released_labels,
    judge_released_levels,
    judge_released_nearest,
    judge_released_shapes,
    judge_released_space,
    judge_released_table2,
    judge_satisfactory,
    judge_shots,
    judge_skewed,
    judge_text_accuracy,
    judge_text_cosine,
    judge_text_levels,
    judge_text_unseen,
    judge_thresholds,
    judge_trained_alike,
    judge_unseen_classes,
    judge_zeros,
)
from chip.audit.evidence import (
    ALGEBRA,
    CANNOT,
    CONTRADICTS,
    DEPENDS,
    FILES,
    INCONCLUSIVE,
    NAN,
    NOT,
    PARTLY,
    REGISTER,
    REPRODUCED,
    RERUN,
    VERDICTS,
    Evidence,
    Lacking,
    by_sign,
    claim,
    first_sentence,
    kinship,
    ledger_line,
    near,
    pictures_of,
    setting_words,
    spread_rows,
    taxonomy_facts,
    together,
    unlike_paper,
)
from chip.audit.limits import match_curve, spectrum
from chip.audit.summary import overview, with_interval
from chip.core.settings import make_settings
from chip.core.statistics import SeedMean
from chip.ledger import answers, counts_by_evidence, headlines, ledger, lines_of_tests
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


def with_seeds(*gains: float) -> Evidence:
    "Contrastive accuracy of 0.5 without training and so much more after it, for as many seeds."
    parts = [
        with_seen(contrastive_accuracy=([0.5 + g] * 3, [0.5] * 3)).tables.seen.assign(seed=seed)
        for seed, g in enumerate(gains)
    ]
    return with_tables(BARE, seen=pd.concat(parts))


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


def of_claim(id: str, *evidence: Evidence) -> list[str]:
    "The ledger's verdict on a claim."
    return [ledger_line(REGISTER[id], e)["verdict"] for e in evidence]


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


def test_a_number_that_a_wide_interval_holds_is_not_decided():
    seeds = with_seeds(0.0, 0.6)  # 0.5 and 1.1: the interval holds 0.94, and much else
    assert judge_number(seeds, 0, "seen_accuracy_text").verdict == INCONCLUSIVE


def test_signs_and_verdicts_together():
    assert by_sign(SeedMean(0.1, NAN, NAN, 1)) == by_sign(SeedMean(0.1, 0.05, 0.2, 3)) == REPRODUCED
    assert by_sign(SeedMean(-0.1, -0.2, -0.05, 3)) == by_sign(SeedMean(-0.1, NAN, NAN, 1)) == NOT
    assert by_sign(SeedMean(0.1, -0.1, 0.3, 3)) == by_sign(SeedMean(0, 0, 0, 3)) == INCONCLUSIVE
    for verdict in VERDICTS:
        assert together([verdict, verdict]) == together([verdict, CANNOT]) == verdict
    assert together([REPRODUCED, NOT]) == together([REPRODUCED, NOT, INCONCLUSIVE]) == PARTLY
    assert together([NOT, INCONCLUSIVE]) == NOT and together([PARTLY, NOT]) == PARTLY
    assert together([REPRODUCED, INCONCLUSIVE]) == INCONCLUSIVE and together([]) == CANNOT
    assert (
        together([REPRODUCED, CONTRADICTS]) == CONTRADICTS and together([DEPENDS, NOT]) == DEPENDS
    )


# ---- the paper against itself


def test_columns_of_a_table_fit_together_or_not():
    for level in LEVELS:
        assert judge_columns(BARE, level, 1).verdict == CONTRADICTS
        assert judge_columns(BARE, level, 2).verdict == CONTRADICTS
    for id in ("S3", "U3"):
        assert ledger_line(REGISTER[id], BARE)["settings"].startswith("under Algorithm 2")
    assert list(ALLOWING_MARGINS.values()) == pytest.approx([0.06600252, 0.1])
    assert judge_columns(with_paper(seen_loss_0=0.06), 0, 1).verdict == REPRODUCED
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
    judge = partial(judge_authors_k, level=1)

    def studied(*silhouettes: float, theirs: float | None = None) -> Evidence:
        columns = {"level": 1, "k": [80, 88, 96, 118], "restarts": 2000}
        studies = {"choice_of_k_restarts": pd.DataFrame({**columns, "silhouette": silhouettes})}
        if theirs:
            row = {"level": [1], "fit": ["authors"], "silhouette": [theirs]}
            studies["beside_authors"] = pd.DataFrame(row)
        return replace(BARE, studies=studies)

    far = (0.1, 0.1, 0.1, 0.2)
    changed = (studied(0.1, 0.2, 0.1, 0.1), studied(0.1, 0.197, 0.1, 0.2), studied(*far))
    assert verdicts(judge, *changed) == THREE and "2,000 starts" in judge(changed[0]).found
    assert verdicts(judge, studied(*far, theirs=0.15), studied(*far, theirs=0.21)) == [NOT, PARTLY]
    sweep = studied(*far).studies["choice_of_k_restarts"]
    fewer = pd.concat([sweep, sweep.assign(restarts=1000, silhouette=0.9)])
    studies = {"choice_of_k_restarts": fewer}  # with fewer starts than theirs nothing counts
    assert judge(replace(BARE, studies=studies)) == judge(studied(*far))
    assert is_lacking(judge)
    elbows = pd.DataFrame({"level": 2, "from_k": 7, "to_k": 20, "elbow": [12]})

    def both(best: int, elbow: int) -> Evidence:
        sweep = pd.DataFrame({"level": 2, "k": [8, 9], "restarts": 5000, "silhouette": 0.1})
        sweep.loc[sweep["k"] == best, "silhouette"] = 0.2
        studies = {"choice_of_k_restarts": sweep, "elbow_authors": elbows.assign(elbow=elbow)}
        return replace(BARE, studies=studies)

    judge = partial(judge_authors_k, level=2)  # by silhouette and by elbow
    changed = [both(8, 8), both(8, 12), both(9, 8), both(9, 12)]
    assert verdicts(judge, *changed) == [REPRODUCED, PARTLY, PARTLY, NOT]


def test_kin_in_clusters():
    heights = np.array([[0, 1, 3, 3], [1, 0, 3, 3], [3, 3, 0, 2], [3, 3, 2, 0]])
    ours, random, p = kinship(np.array([0, 0, 1, 1]), heights, np.random.default_rng(0))
    assert ours == 1.5 < random and 0 < p < 0.6
    assert np.isnan(kinship(np.arange(4), heights, np.random.default_rng(0))[0])
    judge = judge_kinds
    tree = pd.DataFrame({"level": [1, 2], "within": [1.0, 2.0], "shuffled": 3.0, "n": 16})
    changed = [replace(BARE, tree=tree.assign(p=p)) for p in (0.01, [0.005, 0.2], 0.5)]
    assert verdicts(judge, *changed) == THREE and is_lacking(judge)
    judge = judge_authors_kinds
    changed = [
        with_findings(
            ("height within clusters", "", [0, 1, 1]),
            ("height in random clusters", "", [0, 3, 3]),
            ("p of random clusters", "", [0, *p]),
            ("classes", "", [9, 9, 9]),
        )
        for p in ((0.01, 0.01), (0.01, 0.5), (0.5, 0.5))
    ]
    assert verdicts(judge, *changed) == THREE


def test_the_poolings():
    def studied(**columns) -> Evidence:
        names = {"pooling": ["mean", "majority", "successive"]}
        return replace(BARE, studies={"poolings_x": pd.DataFrame({**names, **columns})})

    changed = [
        studied(silhouette_of_means=s)
        for s in ([0.1, 0.11, 0.09], [0.1, 0.3, 0.1], [0.1, 0.3, 0.3])
    ]
    assert verdicts(judge_poolings, *changed) == THREE
    changed = (studied(seconds=[1.0, 9, 5]), studied(seconds=[5, 1, 9.0]))
    assert verdicts(judge_cheapest, *changed) == [REPRODUCED, NOT]
    assert is_lacking(judge_poolings) and is_lacking(judge_cheapest)
    assert is_lacking(judge_poolings, changed[0])  # silhouettes of unlike points say nothing


# ---- training


def test_what_training_does():
    changed = [
        with_seen(mean_pairwise_cosine=(p, [0.5] * 3))
        for p in ([0.1] * 3, [0.1, 0.9, 0.9], [0.9] * 3)
    ]
    assert of_claim("M1", *changed) == THREE
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
    assert of_claim("M2", *changed) == THREE
    constants = [0.05, 0.2, 0.2]  # a classifier that always names the commonest target
    changed = [with_seen(top1=([t] * 3, [0.9] * 3)) for t in (0.6, 0.3)]
    worse = [with_tables(e, seen=e.tables.seen.assign(best_constant=0.2)) for e in changed]
    assert verdicts(partial(judge_classifier, level=0), *worse) == [PARTLY, NOT]
    few = with_seen(top1=([0.12] * 3, [0.9] * 3)).tables.seen  # of 20 classes, however many photos
    for n_images in (20, 9000):
        e = with_tables(BARE, seen=few.assign(best_constant=0.05, n_images=n_images, chance=0.01))
        assert judge_classifier(e, 0).verdict == NOT
    better = changed[1].tables.seen.assign(best_constant=constants * 2)
    assert (
        "0.050 by the best single answer" in judge_classifier(with_tables(BARE, seen=better), 0)[1]
    )
    for judge in (judge_apart, judge_classifier, judge_pull, judge_pull_unseen):
        assert is_lacking(partial(judge, level=0))
    assert is_lacking(judge_drop) and is_lacking(judge_shots)


def test_a_level_that_was_not_measured_is_left_out():
    e = with_seen(mean_pairwise_cosine=([0.1, 0.9, NAN], [0.5] * 3))
    row = ledger_line(REGISTER["M1"], e)
    assert (
        row["verdict"] == PARTLY and "Level 1: " in row["found"] and "Level 2" not in row["found"]
    )
    assert row["sentence"].startswith("Level 0: The mean cosine") and row["ours"] < 0


def test_the_level_that_decides_speaks():
    for top1, level in (([0.1, 0.1, 0.9], 2), ([0.1, 0.9, 0.1], 1)):
        row = ledger_line(REGISTER["M2"], with_seen(top1=(top1, [0.5] * 3)))
        assert row["verdict"] == PARTLY and row["ours"] == 0.9
        assert row["sentence"].startswith(f"Level {level}: Top-1 is 0.900")
    row = ledger_line(REGISTER["M2"], with_seen(top1=([0.1] * 3, [0.5] * 3)))
    assert row["verdict"] == NOT and row["sentence"].startswith("Top-1 is 0.100")
    assert ledger_line(REGISTER["S3"], BARE)["ours"] == pytest.approx(0.7555, abs=1e-3)  # level 1
    assert is_lacking(judge_drop, with_seen(cosine=([0.5, 0.5, NAN], [0.5] * 3)))


def test_the_pull_of_training_is_the_papers_loss_on_test_pictures():
    "Neither another method's rows nor the curves of training change the verdict."
    changed = [
        with_seen(contrastive_accuracy=(p, [0.5] * 3))
        for p in ([0.6] * 3, [0.4, 0.5, 0.6], [0.4] * 3)
    ]
    assert of_claim("S9", *changed) == THREE
    worse = changed[2]
    other = worse.tables.seen.assign(method="released", contrastive_accuracy=5.0)
    rosy = with_tables(worse, seen=pd.concat([worse.tables.seen, other]), curves=other)
    assert of_claim("S9", rosy) == [NOT]
    assert judge_pull(with_seeds(0.2, 0.21, 0.22), 0).verdict == REPRODUCED
    assert judge_pull(with_seeds(-0.2, 0.1, 0.3), 0).verdict == INCONCLUSIVE
    rows = with_unseen().tables.unseen
    for gain, verdict in ((0.1, REPRODUCED), (-0.1, NOT)):
        after = rows["contrastive_accuracy"] + gain * (rows["stage"] == "after")
        e = with_tables(BARE, unseen=rows.assign(contrastive_accuracy=after))
        assert of_claim("U9", e) == [verdict]


def test_the_number_of_shots():
    "One encoder, level 0, the paper's loss and as many epochs; its seeds in pairs."
    trained = ("paper", "authors", "epochs")
    ways = (("none", "none", "epochs"), trained, ("paper", "authors", "updates"))
    columns = ["loss", "manner", "equal", "n_shot", "seed", "level", "top1"]
    rows = [
        (*way, n, seed, level, 0.1 * n * (1 if level == 0 else -1) if way == trained else 0.9 - n)
        for way in ways
        for n in (1, 5)
        for seed in (0, 1)
        for level in LEVELS
    ]
    t = pd.DataFrame(rows, columns=columns)
    mixed = t.assign(top1=t["top1"].where(t["seed"] == 0, -t["top1"]))
    changed = [replace(BARE, studies={"shots": s}) for s in (t, t.assign(top1=-t["top1"]), mixed)]
    assert verdicts(judge_shots, *changed) == [NOT, REPRODUCED, INCONCLUSIVE]


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
    assert verdicts(judge_constant, replace(BARE, spectra=spectra), measured(0.95)) == [
        NOT,
        REPRODUCED,
    ]
    changed = [
        with_findings(("accuracy of a constant", "", v))
        for v in ([0.95] * 3, [0.5, 0.95, 0.5], [0.5] * 3)
    ]
    assert verdicts(judge_authors_constant, *changed) == THREE
    assert all(map(is_lacking, (judge_measure, judge_constant, judge_authors_constant)))


def test_zeros_by_the_released_loss():
    changed = [
        with_findings(("number by number: loss of zeros, margin 0.07", "", [v] * 3))
        for v in (0.0350007478, 0.036)
    ]
    assert verdicts(judge_zeros, *changed) == [PARTLY, NOT]
    assert "same digits at level 1" in judge_zeros(changed[0]).found and is_lacking(judge_zeros)


def test_metrics_that_work_and_do_not():
    assert verdicts(judge_other_measures, BARE, with_seen()) == [REPRODUCED] * 2
    few = replace(BARE, paper={**BARE.paper, ("n_seen", None): 4})
    assert judge_other_measures(few).verdict == NOT
    assert [judge_skewed(BARE, level).verdict for level in LEVELS] == [REPRODUCED] * 2 + [NOT]
    truth = np.arange(40)
    curve = match_curve(np.random.default_rng(0).normal(size=(40, 40)), truth)
    sure = match_curve(np.eye(2), np.arange(2))
    precise = curve.assign(average_precision=0.8)  # of accuracy and precision-recall, one is skewed
    for table, verdict in ((curve, REPRODUCED), (precise, PARTLY), (sure, NOT)):
        e = replace(BARE, matches=table.assign(level=0, method="frozen"))
        assert judge_thresholds(e, 0).verdict == verdict
    assert is_lacking(partial(judge_thresholds, level=0))


# ---- placements


def test_one_method_against_another():
    judge = partial(judge_better, level=1, methods=("paper", "paper_base"))
    changed = [
        with_placements(paper=a, paper_base=b)
        for a, b in (((15, 5), (5, 5)), ((6, 5), (5, 5)), ((2, 2), (12, 9)))
    ]
    assert verdicts(judge, *changed) == [REPRODUCED, INCONCLUSIVE, NOT] and is_lacking(judge)
    levels = [
        with_placements(paper=a, paper_base=(5, 5), frozen=(5, 5), frozen_base=(5, 5))
        for a in ((15, 15), (15, 0), (0, 0))
    ]
    assert of_claim("P6", *levels) == THREE
    against_none = partial(judge_better, level=1, methods=("paper", "none"))
    assert against_none(with_placements(paper=(15, 15), frozen=(5, 5))).ours == 10
    # five classes more are right: clear of zero where each stands for itself, not as one set of kin
    e = with_placements(paper=(10, 5), paper_base=(5, 5))
    placements = e.tables.placements
    number = placements["slug"].str[1:].astype(int)
    assert judge(e).verdict == REPRODUCED
    for kin_set, verdict in (
        (number, REPRODUCED),
        (number // 5, INCONCLUSIVE),
        (0, INCONCLUSIVE),  # one set has no interval
        (np.nan, REPRODUCED),
    ):
        tables = replace(e.tables, placements=placements.assign(kin_set=kin_set))
        assert judge(replace(e, tables=tables)).verdict == verdict
    four = replace(e.tables, placements=placements.assign(kin_set=number // 5))
    assert "the interval is over 4 sets of kin" in judge(replace(e, tables=four)).found
    yes, no = (with_placements(paper=p, frozen=(8, 8)) for p in ((18, 18), (1, 1)))
    assert of_claim("P5", yes, no) == ["yes", "no"]


def test_placements_against_chance_and_the_best_single_answer():
    judge = partial(judge_satisfactory, level=1)  # two of twenty by a blind choice
    assert verdicts(judge, *[with_placements(paper=(c, 0)) for c in (15, 3, 0)]) == [
        REPRODUCED,
        INCONCLUSIVE,
        INCONCLUSIVE,
    ]
    for right, verdict in ((18, REPRODUCED), (11, INCONCLUSIVE), (5, PARTLY), (1, NOT)):
        e = replace(with_placements(paper=(right, 0)), best_constant={1: 12})
        assert judge(e).verdict == verdict, right
    assert is_lacking(judge)


def test_fourteen_of_twenty():
    changed = [with_placements(paper=(c, 20)) for c in (14, 13, 11, 4)]
    assert verdicts(judge_fourteen, *changed) == [REPRODUCED, REPRODUCED, INCONCLUSIVE, NOT]
    assert is_lacking(judge_fourteen, replace(changed[0], imagenet=False))
    assert is_lacking(judge_fourteen)


def test_the_drop_to_unseen_classes():
    changed = [with_unseen(with_seen(), cosine=c) for c in (0.4, 0.6)]
    assert verdicts(partial(judge_drop_unseen, level=0), *changed) == [REPRODUCED, NOT]
    for e in (BARE, with_unseen()):
        assert is_lacking(partial(judge_drop_unseen, level=0), e)


@pytest.mark.parametrize("second, verdict", [(0.41, REPRODUCED), (0.1, INCONCLUSIVE)])
def test_a_drop_is_taken_seed_by_seed(second, verdict):
    "Drops of 0.4 in one seed and of `second` in the other: from level 1 to 2, from seen to unseen."
    parts = [
        with_unseen(with_seen(cosine=([0.5, 0.5, low], [0.5] * 3)), cosine=low).tables
        for low in (0.1, 0.5 - second)
    ]
    seen, unseen = (
        pd.concat([getattr(t, name).assign(seed=seed) for seed, t in enumerate(parts)])
        for name in ("seen", "unseen")
    )
    e = with_tables(BARE, seen=seen, unseen=unseen)
    for finding in (judge_drop(e), judge_drop_unseen(e, 0)):
        assert finding.verdict == verdict and finding.n == 2
        assert finding.ours == pytest.approx((0.4 + second) / 2)


# ---- the published files


def test_table_2_by_the_published_embeddings():
    judge = partial(judge_released_table2, level=0)
    changed = [
        with_findings(
            ("accuracy as written", "", [written] * 3),
            ("accuracy number by number", "", [single] * 3),
            ("accuracy number by number, margin 0.07", "", [0.95] * 3),
            ("nearest targets in use", "", [1, 1, 1]),
        )
        for written, single in ((0.938, 0.938), (0.9, 0.937), (0.938, 0.9), (0.9, 0.9))
    ]
    assert verdicts(judge, *changed) == [REPRODUCED, DEPENDS, DEPENDS, NOT]
    assert "by the released one (0.9500 with 0.07" in judge(changed[0]).found  # both its margins


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


def test_embeddings_of_encoders_that_the_released_loss_trains():
    "Apart: not all alike, and on several targets; without the released loss nothing is said."
    t = pd.DataFrame({"setting": "photos, 224 pixels, 21 and 5 epochs", "level": [0, 1, 2] * 2})
    t = t.assign(loss=["paper"] * 3 + ["released"] * 3, unseen_pairwise_cosine=0.5, targets_used=9)
    t["seeds"] = "0 to 2"
    for alike, used, verdict in (
        ([0.5, 0.5, 0.5], [2, 3, 4], REPRODUCED),
        ([0.5, 0.999, 0.5], [2, 1, 4], PARTLY),
        ([0.5, 0.999, 0.5], [1, 9, 1], NOT),
    ):
        t.loc[3:, ["unseen_pairwise_cosine", "targets_used"]] = np.transpose([alike, used])
        f = judge_trained_alike(replace(BARE, studies={"losses_side_by_side": t}))
        assert f.verdict == verdict and f"{used[0]}, {used[1]}, {used[2]} targets" in f.found
    with pytest.raises(Lacking):
        judge_trained_alike(replace(BARE, studies={"losses_side_by_side": t[:3]}))
    with pytest.raises(Lacking):
        judge_trained_alike(BARE)


def test_the_published_frames():
    n = ("unseen classes", "mapping", 20)

    def frames(both: float, most: float) -> Evidence:
        parts = [
            (name, frame, value)
            for frame in ("mapping", "dataframe")
            for name, value in (
                ("placed right at both levels", both),
                ("placed right", [0, both, both]),
                ("placed right by the best renumbering", [0, most, most]),
            )
        ]
        return with_findings(n, *parts)

    changed = (frames(14, 16), frames(12, 16), frames(1, 16), frames(12, 12))
    assert verdicts(judge_released_fourteen, *changed) == [*THREE, NOT]
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
    few = judge_released_labels(changed[2])
    assert (few.ours, few.n) == (12, 80)  # labels: 3 of 20 at each level of either frame


# ---- the ledger

MOVED = {  # old id → where its sentence is judged now
    "H3": "H1",
    "H4": "H2",
    "H6": "H5",
    "M5": "M4",
    "P2": "P1",
    "P3": "P1",
    "P7": "P6",
    "U7": "U6",
    **{f"{id}.{level}": id for id in ("S1", "S2", "S3", "S4", "S5") for level in LEVELS},
    **{f"{id}.{level}": id for id in ("U1", "U2", "U3") for level in LEVELS},
    **{f"U4.{level}": "U1" for level in LEVELS},
    "S6": "S4",
}
OWN = {"M3", "M4", "M8", "P5", "F1"}  # questions of ours


def test_every_sentence_of_the_old_ledger_has_its_place():
    ids = {c.id for c in CLAIMS}
    assert {c.id for c in QUESTIONS} == OWN and not ids & OWN
    assert set(MOVED.values()) - {"M4"} <= ids and not set(MOVED) & ids
    assert len(ids) == len(CLAIMS) == len({c.says for c in CLAIMS}) == 35


def test_without_evidence_the_ledger_is_complete_all_the_same():
    bare = ledger(BARE)
    assert len(bare) == len(CLAIMS) and set(bare["verdict"]) <= set(VERDICTS)
    assert (bare["n"].isna() == bare["n_counts"].eq("")).all()
    untested, files = bare["verdict"] == CANNOT, bare["evidence"] == FILES
    assert untested[bare["evidence"] != ALGEBRA].all() and not untested[~files].all()
    assert (bare.loc[untested, "found"].str.len() > 20).all()
    names = bare.loc[files & ~bare["id"].isin(["H1", "H2"]), "found"]
    assert names.str.contains("chip fetch authors").all()
    assert (bare.loc[untested, "needs"].str.len() > 10).all()
    assert (bare["command"].str.len() > 5).all() and (bare["settings"] != "").all()
    assert sorted(bare.loc[bare["verdict"] == CONTRADICTS, "id"]) == ["S3", "S5", "U3", "U6"]
    counts = counts_by_evidence(bare).set_index("evidence")
    assert counts.loc["all", "claims"] == len(bare) and counts.loc[ALGEBRA, CONTRADICTS] == 4


def test_the_strongest_evidence_decides_and_the_rest_is_told():
    kin = [("height within clusters", "", [0, 1, 1]), ("height in random clusters", "", [0, 3, 3])]
    kin += [("p of random clusters", "", [0, 0.01, 0.01]), ("classes", "", [9, 9, 9])]
    tree = pd.DataFrame({"level": [1, 2], "within": 2.0, "shuffled": 2.0, "p": 0.5, "n": 16})
    files, run = with_findings(*kin), replace(BARE, tree=tree)
    both = replace(files, tree=tree)
    assert of_claim("H5", files, run, both) == [REPRODUCED, NOT, REPRODUCED]
    rows = [ledger_line(REGISTER["H5"], e) for e in (files, run, both)]
    assert [r["evidence"] for r in rows] == [FILES, RERUN, FILES]
    assert "By rerun, not reproduced" in rows[2]["found"] and "By rerun" not in rows[0]["found"]
    assert "Unlike the paper" in rows[2]["found"] and "Unlike the paper" not in rows[0]["found"]
    given = replace(run, settings=replace(run.settings, hierarchy="theirs.csv"))
    assert of_claim("H5", given) == [CANNOT]  # clusters from a file are no rerun


def test_a_verdict_that_turns_with_the_setting_says_so():
    one_seed = with_seen(contrastive_accuracy=([0.6] * 3, [0.5] * 3))
    e = replace(one_seed, settings=make_settings("smoke", n_seeds=3))
    table = pd.DataFrame({"claim": "S9", "seeds": "0 to 4", "setting": ["5 epochs", "21 epochs"]})
    for verdicts_elsewhere, verdict in (
        ((REPRODUCED, REPRODUCED), REPRODUCED),
        ((REPRODUCED, NOT), DEPENDS),
        ((NOT, CANNOT), DEPENDS),
        ((INCONCLUSIVE, CANNOT), REPRODUCED),
    ):
        robust = replace(e, studies={"robustness": table.assign(verdict=verdicts_elsewhere)})
        row = ledger_line(REGISTER["S9"], robust)
        assert row["verdict"] == verdict
        if NOT in verdicts_elsewhere:
            assert "In this run reproduced" in row["found"] and "epochs" in row["sentence"]
            assert "in this run." not in row["found"]  # which says it once
        robust = replace(one_seed, studies=robust.studies)  # whose own seed turns nothing
        differ = set(verdicts_elsewhere) == {REPRODUCED, NOT}
        assert ledger_line(REGISTER["S9"], robust)["verdict"] == (DEPENDS if differ else REPRODUCED)
    alone = pd.DataFrame({"claim": "S9", "verdict": NOT, "setting": ["5 epochs"], "seeds": 0})
    row = ledger_line(REGISTER["S9"], replace(e, studies={"robustness": alone}))
    assert row["verdict"] == REPRODUCED and "5 epochs" not in row["found"]  # one seed turns nothing
    alone["seeds"] = "3 to 4"
    row = ledger_line(REGISTER["S9"], replace(e, studies={"robustness": alone}))
    assert row["sentence"] == "Reproduced in this run. Not reproduced with 5 epochs (two seeds)."
    for seeds, words in (
        ("0, 2", " (two seeds)"),
        ("0 to 2", ""),
        ("0, 2, 5", ""),
    ):
        row = ledger_line(
            REGISTER["S9"], replace(e, studies={"robustness": alone.assign(seeds=seeds)})
        )
        assert row["sentence"].endswith(f"with 5 epochs{words}.")
    many = pd.concat([alone.assign(setting=[f"{n} epochs"]) for n in (5, 6, 7, 8, 9)])
    many = pd.concat([many, alone.assign(setting=["4 epochs"], verdict=PARTLY)])
    row = ledger_line(REGISTER["S9"], replace(e, studies={"robustness": many}))
    assert "Not reproduced with 5 settings (listed in 59_settings). Partly with 4" in row["found"]
    own = alone.assign(
        setting=setting_words(e)
    )  # the same setting: the seed turns it, and no setting
    row = ledger_line(REGISTER["S9"], replace(e, studies={"robustness": own}))
    assert row["verdict"] == REPRODUCED


def test_an_accuracy_that_is_reproduced_is_told_with_what_it_is_worth():
    alike = dict(mean_pairwise_cosine=([0.97] * 3, [0.2] * 3), top1=([0.21] * 3, [0.6] * 3))
    for ours, told in ((0.94, True), (0.7, False)):
        e = with_seen(contrastive_accuracy=([ours] * 3, [0.5] * 3), **alike)
        found = judge_number(e, 2, "seen_accuracy_text").found
        assert ("cosine of 0.970" in found and "right for 0.210" in found) == told
        assert "one and the same answer" not in found
    one = with_tables(e, seen=e.tables.seen.assign(contrastive_accuracy=0.94, top1=np.nan))
    assert (
        judge_number(one, 2, "seen_accuracy_text").verdict == REPRODUCED
    )  # though nothing is told
    e.tables.seen["best_constant"], e.tables.seen["contrastive_accuracy"] = 0.41, 0.94
    assert "for all can be right for 0.410." in judge_number(e, 2, "seen_accuracy_text").found


def test_a_number_of_the_ledger_names_its_level():
    line = ledger_line(REGISTER["S1"], with_seen(contrastive_loss=([0.3, 0.2, 0.1], [0.4] * 3)))
    assert line["level"] == 0 and with_interval(line) == "0.3, 1 seed, level 0"
    whole = ledger_line(REGISTER["M8"], BARE) | {"ours": 1.0}
    assert whole["level"] == "" and "level" not in with_interval(whole)


def test_claims_that_rest_on_the_same_numbers_are_told_where_they_are_counted():
    told = overview(ledger(BARE), BARE, headlines(ledger(BARE)))[1].points
    assert ["rest on the same two numbers" in point for point in told] == [True, *[False] * 3]


def test_what_differs_from_the_paper_stands_in_every_verdict_of_a_rerun():
    settings = make_settings("smoke", prototype="images", n_shot=1)
    one = replace(with_seen(), settings=settings, per_class=(1, 1))
    words = unlike_paper(one)
    assert "a mean of one photo is that photo" in words and "in place of ResNet-152" in words[0]
    assert "a mean of one photo is that photo" not in unlike_paper(replace(one, per_class=(9, 9)))
    none = unlike_paper(replace(one, splits={"train": 9}))
    assert not {word for word in none if "validation" in word or "clusters" in word}
    few = replace(one, n_seen=9, splits={"test": 6}, settings=replace(settings, hierarchy="h.csv"))
    assert {"clusters from a file", "6 test pictures for 9 classes"} <= set(unlike_paper(few))
    table = ledger(one)
    rerun = table[(table["evidence"] == RERUN) & (table["verdict"] != CANNOT)]
    assert len(rerun) > 5 and rerun["found"].str.contains("a mean of one photo is that").all()
    assert rerun["settings"].str.contains("1 training picture a class in place of 1,300").all()


def test_what_is_counted_is_said():
    tree = pd.DataFrame({"level": [1, 2], "within": 1.0, "shuffled": 3.0, "p": 0.1, "n": 16})
    e = with_seen(replace(BARE, spectra=made_spectra(), tree=tree))
    e = with_placements(e, paper=(3, 3), frozen=(3, 3), paper_base=(3, 3), frozen_base=(3, 3))
    for table in (ledger(e), answers(e), lines_of_tests(e)):
        assert table["n_counts"].ne("")[table["n"].notna()].all()


def test_headlines_have_places_of_their_own():
    for claims in (CLAIMS, QUESTIONS):
        places = sorted(c.headline for c in claims if c.headline)
        assert places == list(range(1, len(places) + 1))
    e = with_seen()
    told = headlines(ledger(e), answers(e), most=99)
    assert told["sentence"].str.endswith(".").all() and CANNOT not in set(told["verdict"])
    assert told["evidence"].tolist() == sorted(told["evidence"], key=[ALGEBRA, FILES, RERUN].index)
    assert first_sentence("One of 20, by k = 3.5, is. Two. are") == "One of 20, by k = 3.5, is."


def test_an_id_is_taken_once():
    with pytest.raises(ValueError, match="D1 stands there already"):
        claim("D1", "§3", "Something else.")


def test_rows_are_spread_evenly():
    rows = pd.DataFrame({"i": range(1000)})
    assert len(spread_rows(rows, 300)) == 300
    assert spread_rows(rows, 2)["i"].tolist() == [0, 999] and spread_rows(rows, 5000) is rows


def test_a_report_says_how_many_pictures_each_split_has(tmp_path):
    words = "6,342 images of 366 classes (this run: 4,026 train, 366 val, 1,830 test, 120 unseen)"
    (tmp_path / "run.json").write_text(json.dumps({"pictures": words}))
    per_class, splits = pictures_of(tmp_path, 366)
    assert per_class == (11, 11)
    assert splits == {"train": 4026, "val": 366, "test": 1830, "unseen": 120}
