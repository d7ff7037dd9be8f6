"The chapter of results: hand-made tables, whole figures, and runs that lack pieces."

from dataclasses import fields
from hashlib import sha256
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from chip.core.settings import Run, make_settings
from chip.core.statistics import SeedMean, seed_mean, wilson_interval
from chip.hierarchy import LEVELS, Hierarchy
from chip.results import (
    DIAGRAMS,
    METHOD_COLOURS,
    MOST_ROWS,
    PAPER,
    Tables,
    both_right,
    clear_results,
    command_of,
    compared_with,
    constant_scores,
    copy_diagrams,
    draw_collapse,
    draw_figure7,
    draw_figure8,
    draw_figure9,
    draw_rules,
    draw_sweep,
    figure9_table,
    figure9_title,
    load_tables,
    main_methods,
    method_colours,
    method_label,
    paper_against_itself,
    paper_beside_ours,
    placement_counts,
    placement_differences,
    plot_placements,
    plot_seen,
    read_optional,
    reported,
    rule_of,
    seen_differences,
    table1,
    table2,
    untrained,
)

matplotlib.use("agg")
import matplotlib.pyplot as plt

ROOT = Path(__file__).resolve().parent.parent
NOTHING = pd.DataFrame()
NAN = float("nan")


@pytest.fixture(autouse=True)
def no_figures_left():
    yield
    plt.close("all")


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("CHIP_HOME", str(tmp_path))
    return tmp_path


def placement(method, seed, level, slug, right, chance=0.25, chosen="0"):
    photos = {"photos_right": 4 * right, "photos_total": 4}
    row = {"method": method, "seed": seed, "level": level, "slug": slug, "n_images": 4}
    return {**row, "chosen": chosen, "right": right, "chance": chance, **photos}


@pytest.fixture(scope="module")
def few() -> pd.DataFrame:
    "Two classes in two seeds, and one that cannot be judged."
    return pd.DataFrame(
        [
            placement("paper", 0, 1, "x", 1),
            placement("paper", 0, 1, "y", 0, 0.5),
            placement("paper", 1, 1, "x", 1),
            placement("paper", 1, 1, "y", 1, 0.5),
            placement("paper", 0, 2, "x", 1),
            placement("paper", 0, 2, "y", 1),
            placement("paper", 1, 2, "x", 0),
            placement("paper", 1, 2, "y", 1),
            placement("paper", 0, 1, "z", NAN, NAN),
        ]
    )


@pytest.fixture(scope="module")
def many() -> pd.DataFrame:
    "Twenty classes, four methods, three seeds."
    rng = np.random.default_rng(0)
    rates = {"frozen": 0.7, "frozen_base": 0.6, "paper": 0.2, "paper_base": 0.25}
    return pd.DataFrame(
        [
            placement(m, s, level, f"c{i}", int(rng.random() < rate), 0.02 + 0.12 * level)
            for m, rate in rates.items()
            for s in range(3)
            for level in LEVELS
            for i in range(20)
        ]
    )


@pytest.fixture(scope="module")
def tree() -> Hierarchy:
    "Ant and bee in one cluster, cat in another."
    means = np.array([[0.5, 0.5, 0.0], [0.0, 0.0, 1.0]])
    return Hierarchy(
        ("a", "b", "c"),
        ("ant", "bee", "cat"),
        np.array([0, 0, 1]),
        np.array([0, 1]),
        (np.eye(3), means, means),
        (("insects", "cats"), ("insects", "mammals")),
        {},
    )


MEASURES = {
    "contrastive_loss": 0.1,
    "contrastive_accuracy": 0.9,
    "cosine": 0.8,
    "top1": 0.5,
    "chance": 0.25,
    "mean_pairwise_cosine": 0.7,
}


@pytest.fixture(scope="module")
def seen() -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"method": m, "seed": s, "level": level, **MEASURES, "top1": 0.4 + 0.2 * s}
            for m in ("paper", "frozen")
            for s in (0, 1)
            for level in LEVELS
        ]
    )


@pytest.fixture(scope="module")
def unseen() -> pd.DataFrame:
    stages = {
        "before": {"cosine": 0.5, "classes_right": 1},
        "after": {"cosine": 0.9, "classes_right": 2},
    }
    return pd.DataFrame(
        [
            {"method": "paper", "seed": 0, "level": level, "stage": stage, **MEASURES, **values}
            for level in LEVELS
            for stage, values in stages.items()
        ]
    )


@pytest.fixture(scope="module")
def curves() -> pd.DataFrame:
    rows = [
        (s, level, e, split)
        for s in (0, 1)
        for level in LEVELS
        for e in range(4)
        for split in ("train", "val")
    ]
    table = pd.DataFrame(rows, columns=["seed", "level", "epoch", "split"]).assign(method="paper")
    e, s, val = table["epoch"], table["seed"], table["split"] == "val"
    return table.assign(
        accuracy=0.7 + 0.08 * e - 0.03 * val - 0.02 * s,
        cosine=0.4 + 0.15 * e - 0.1 * val - 0.05 * s,
        loss=0.3 - 0.08 * e + 0.03 * val + 0.02 * s,
    )


# ---- what the paper reports ----


def test_numbers_of_the_paper():
    assert reported("k", 1) == 88 and reported("k", 2) == 8 and reported("placed_both") == 14
    assert [r.value for r in PAPER if r.quantity == "unseen_cosine"] == [0.815, 0.82, 0.745]
    assert [r.value for r in PAPER if r.quantity == "seen_cosine_text"] == [0.85, 0.85, 0.74]
    assert len({(r.quantity, r.level) for r in PAPER}) == len(PAPER)  # nothing stands twice
    with pytest.raises(KeyError, match="reports no top1"):
        reported("top1", 0)


def test_numbers_are_as_printed():
    text = ROOT.parent / "shared" / "paper" / "chip.md"
    if not text.is_file():
        pytest.skip("the paper's text is not here")
    paper = text.read_text()
    parts = [part for r in PAPER for part in r.printed.removeprefix("over ").split(" of ")]
    assert all(part in paper for part in parts)


def test_the_paper_against_itself():
    itself = paper_against_itself()
    assert itself["where"].tolist() == ["Table 1"] * 3 + ["Table 2"] * 3
    assert np.isclose(itself["most"][1], (1 + 0.5109769) / 2)
    assert np.isclose(itself["accuracy"][1], 1 - 0.03500075)
    assert not itself["possible"].any()


# ---- names and colours ----


def test_colours_and_labels():
    paper = METHOD_COLOURS["paper"]
    assert method_colours(["paper"])["paper"] == method_colours(["new", "paper"])["paper"] == paper
    colours = set(method_colours(["a", "b", "c", *METHOD_COLOURS]).values())
    assert len(colours) == 3 + len(METHOD_COLOURS) - 1  # constant and chance share grey
    assert method_label("with_pca") == "with pca"
    assert method_label("frozen_sum") == "frozen, by summed probabilities"
    assert rule_of("frozen_base") == ("frozen", "base") and rule_of("with_pca") == ("with_pca", "")
    assert main_methods(["paper_sum", "paper", "frozen"]) == ["frozen", "paper"]


def test_what_trained_methods_are_held_against():
    assert untrained(pd.DataFrame({"method": ["frozen", "paper"]})) == "frozen"
    assert untrained(NOTHING) == "frozen"
    assert untrained(pd.DataFrame({"method": ["frozen", "start"]})) == "start"


# ---- reading a run ----


def test_odd_names_stay_text(home):
    run = Run("try")
    with pytest.raises(FileNotFoundError, match="run notebook 10_hierarchy"):
        load_tables(run, make_settings("smoke"))
    run.path("tables", "placements.csv").write_text("slug,chosen,right\n001,NA,1\nNA,002,\n")
    odd = read_optional(run, "placements")
    assert odd["slug"].tolist() == ["001", "NA"] and odd["chosen"].tolist() == ["NA", "002"]
    assert odd["right"].isna().tolist() == [False, True]
    assert read_optional(run, "seen").empty


def test_only_own_results_are_cleared(home):
    run = Run("try")
    clear_results(run)  # nothing there yet
    for file in (
        "figures/figure9_page2.png",
        "figures/figure5.svg",
        "figures/mine.png",
        "tables/table1.md",
        "tables/seen.csv",
    ):
        run.path(*file.split("/")).write_text("")
    clear_results(run)
    assert sorted(p.name for p in run.folder.rglob("*.*")) == ["mine.png", "seen.csv"]


def test_seed_means(seen):
    table = seen.rename(columns={"top1": "value"}).query("level == 0 and method == 'paper'")
    mean = seed_mean(table, "value")
    assert np.isclose(mean.mean, 0.5) and mean.n == 2
    assert np.isclose(mean.high, 0.5 + 12.7062 * 0.1, atol=1e-4)  # t(0.975, 1), standard error 0.1
    assert isinstance(mean, SeedMean) and np.isnan(seed_mean(table.head(1), "value").low)
    assert seed_mean(table, "value", method="none").n == 0
    assert np.isnan(seed_mean(NOTHING, "value", method="paper").mean)
    with pytest.raises(ValueError, match="several rows of one seed"):
        seed_mean(seen, "cosine", level=0)


# ---- placements ----


def test_placement_counts(few):
    counts = placement_counts(few, {1: 2})
    assert counts["right"].tolist() == [1.5, 1.5] and counts["total"].tolist() == [2, 2]
    assert np.allclose(counts["expected"], [0.75, 0.5])
    assert counts["best_constant"][0] == 2 and np.isnan(counts["best_constant"][1])
    assert np.isclose(counts["photo_rate"][0], 0.75)
    assert placement_counts(NOTHING).empty and placement_counts(few[few["slug"] == "z"]).empty


def test_placement_counts_are_in_the_order_of_the_figures(many):
    deep = many.assign(lca_depth=many["right"] * 4.0)
    counts = placement_counts(deep)
    assert counts["method"].unique().tolist() == ["frozen", "frozen_base", "paper", "paper_base"]
    assert counts["level"].tolist() == [*LEVELS] * 4
    assert np.allclose(counts["lca_depth"], 4 * counts["right"] / 20)


def test_both_right(few):
    both = both_right(few, "paper")
    assert both["right"].tolist() == [1, 1]  # seed 0: x; seed 1: y
    assert both["total"].tolist() == [2, 2]
    assert np.allclose(both["expected"], 0.25 * 0.25 + 0.5 * 0.25)
    assert both_right(few, "frozen").empty and both_right(NOTHING, "paper").empty


def test_best_single_answer(tree):
    assert constant_scores(tree, {"x": ["a"], "y": ["b"]}) == {0: 1, 1: 2, 2: 2}
    assert constant_scores(tree, {}) == {}


# ---- tables 1 and 2, and every number beside ours ----


def test_table1(seen):
    table = table1(seen, 0.1).set_index(["level", "measure"])
    assert len(table) == 12
    assert np.isclose(table.loc[(0, "nearest target is right"), "ours"], 0.5)
    assert table.loc[(1, "nearest target is right"), "limit"] == 0.25
    loss = table.loc[(0, "loss"), ["paper_table", "ours", "low", "limit", "n_seeds"]]
    assert loss.tolist() == [0.035117637, 0.1, 0.1, 0.05, 2]
    cosine = table.loc[(2, "cosine to own target"), ["paper_table", "paper_text", "frozen"]]
    assert cosine.tolist() == [0.5102735, 0.74, 0.8]
    empty = table1(NOTHING, 0.1)
    assert empty["ours"].isna().all() and empty["paper_table"].notna().sum() == 6


def test_the_untrained_encoder_on_small_pictures_stands_beside_where_there_is_one(
    few, seen, unseen
):
    small = seen[seen["method"] == "frozen"].assign(method="start", cosine=0.7)
    placed = pd.concat([few, few.dropna().assign(method="start", right=0)])
    phase1 = pd.DataFrame({"level": [1, 2], "k": [6, 2], "chosen_by": ["silhouette", "file"]})

    def tables(seen: pd.DataFrame, placed: pd.DataFrame) -> list[pd.DataFrame]:
        counts = placement_counts(placed)
        all_of_them = tables_of(phase1=phase1, seen=seen, placements=placed, unseen=unseen)
        beside = paper_beside_ours(all_of_them, counts, make_settings("smoke"), "smoke", 16, 3)
        return [table1(seen, 0.1), table2(unseen, counts, 0.07), beside]

    first, second, beside = tables(pd.concat([seen, small]), placed)
    assert first.loc[first["measure"] == "cosine to own target", "start"].tolist() == [0.7] * 3
    assert second.loc[second["measure"] == "classes placed right, of 2", "start"].tolist() == [0, 0]
    cosines = beside[beside["what"] == "average cosine similarity, seen classes"]
    assert (cosines["start"] == 0.7).all() and len(cosines) == 3
    for with_it, without in zip((first, second, beside), tables(seen, few), strict=True):
        pd.testing.assert_frame_equal(with_it.drop(columns="start"), without)


def test_table1_with_measures_of_the_tree(seen):
    with_tree = seen.assign(lca_height=2.0, lca_height_mistakes=4.0, hierarchical_f=0.5)
    table = table1(with_tree, 0.1).set_index(["level", "measure"])
    assert len(table) == 21
    assert table.loc[(1, "the same, of mistakes alone"), "ours"] == 4
    assert table.loc[(2, "hierarchical F"), ["ours", "limit"]].tolist() == [0.5, 1]


def test_table2(few, unseen):
    table = table2(unseen, placement_counts(few), 0.07).set_index(["level", "measure"])
    assert table["ours"][1].tolist() == [0.9, 0.9, 0.5, 0.7, 1.5, 2]
    assert table["ours"][0].tolist() == [0.9, 0.9, 0.5, 0.7]  # level 0 was not judged
    assert np.isclose(table.loc[(2, "contrastive accuracy"), "limit"], 0.965)
    assert table.loc[(2, "contrastive accuracy"), "paper_table"] == 0.95
    placed = table.loc[(1, "classes placed right, of 2")]
    assert np.isclose(placed["limit"], 0.75) and placed["low"] > 0
    assert table2(NOTHING, NOTHING, 0.07)["ours"].isna().all()


def test_commands(tmp_path, monkeypatch):
    assert command_of(make_settings("demo")) == "chip run demo"
    slow = make_settings("smoke", n_seeds=5, lr=0.001)
    assert command_of(slow, "slow") == "chip run smoke -p n_seeds=5 -p lr=0.001 --name slow"
    monkeypatch.setenv("CHIP_HOME", str(tmp_path / "a" / "b" / "chip"))
    photos = tmp_path / "a" / "b" / "my photos"
    photos.mkdir(parents=True)
    near = make_settings("photos", images=str(photos))
    assert command_of(near) == "chip run photos --images '../my photos'"
    private = make_settings("photos", images=str(tmp_path))
    assert command_of(private) == "chip run photos --images DIR"


def tables_of(**held) -> Tables:
    return Tables(**{field.name: held.get(field.name, NOTHING) for field in fields(Tables)})


def test_the_paper_beside_ours(few, seen, unseen):
    phase1 = pd.DataFrame({"level": [1, 2], "k": [6, 2], "chosen_by": ["silhouette", "file"]})
    tables = tables_of(phase1=phase1, seen=seen, placements=few, unseen=unseen)
    settings = make_settings("smoke")
    beside = paper_beside_ours(tables, placement_counts(few), settings, "smoke", 16, 3)
    assert len(beside) == len(PAPER) and (beside["command"] == "chip run smoke").all()
    by_what = beside.set_index(["what", "level"])
    assert by_what.loc[("number of parents", 1), "ours"] == 6
    assert by_what.loc[("number of super-parents", 2), "remark"] == "ours: chosen by file"
    loss = by_what.loc[("average loss, seen classes", 1), "remark"]
    assert loss.endswith("at least 0.245, whatever m")  # (1 - 0.511) / 2
    last = beside.iloc[-1]
    assert (last["paper"], last["ours"], last["n_seeds"]) == (14, 1, 2)
    remark = "parents alone 1.5, super-parents alone 1.5; two blind choices 0.2"
    assert remark in last["remark"]
    assert np.isclose(last["low"], wilson_interval(1, 2).low * 2)
    bare = paper_beside_ours(tables_of(phase1=phase1), NOTHING, settings, "smoke", 16, 0)
    assert bare["ours"].notna().sum() == 4
    assert bare.iloc[-1]["remark"] == "no unseen class could be judged"


# ---- figures ----


def test_sweep():
    k = np.arange(50, 201)
    sweep = pd.DataFrame({"level": 1, "k": k, "inertia": 4000 / k})
    sweep["silhouette"] = 0.1 + 0.01 * np.sin(k / 20)
    phase1 = pd.DataFrame({"level": [1, 2], "n_points": [366, 88], "k": [131, 8]})
    phase1["chosen_by"] = "silhouette"
    figure, caption = draw_sweep(sweep, phase1, 1, 366)
    for words in ("131 were taken", "the paper took 88", "from 0.090 to 0.110"):
        assert words in caption
    assert {t.get_text().strip() for t in figure.axes[0].texts} == {"chosen: 131", "paper: 88"}
    figure, _ = draw_sweep(sweep, phase1, 1, 16)
    assert {t.get_text().strip() for t in figure.axes[0].texts} == {"chosen: 131"}


def test_figures_7_and_8(curves):
    figure, caption = draw_figure7(curves, 0.1)
    lines = {line.get_label(): line for line in figure.axes[0].lines}
    validation = lines["validation pictures"].get_ydata()
    assert np.allclose(validation, [0.66, 0.74, 0.82, 0.90])  # the mean of both seeds
    for panel in figure.axes:  # nothing is cut off
        low, high = panel.get_ylim()
        assert all(low <= v <= high for line in panel.lines for v in line.get_ydata())
    assert "ceiling 1 - m/2 = 0.95" in lines and "means over 2 seeds" in caption
    told = {text.get_text() for text in figure.legends[0].get_texts()}
    assert {"ceiling 1 - m/2 = 0.95", "paper, text", "paper, Table 1"} < told
    figure, caption = draw_figure8(curves[curves["split"] == "train"], 0.07)
    assert "cannot fall below 0.035" in caption and len(figure.axes) == 6


def test_collapse(curves):
    alike, rank = curves["epoch"] / 4, 10.0 - curves["epoch"]
    measured = curves.assign(mean_pairwise_cosine=alike, effective_rank=rank)
    both = pd.concat([measured, measured.assign(method="released")])
    figure, caption = draw_collapse(both)
    assert np.allclose(figure.axes[0].lines[0].get_ydata(), [0, 0.25, 0.5, 0.75])
    assert len(figure.axes[0].lines) == 2 and "over 2 seeds" in caption and "cross" not in caption
    dead = measured.assign(method="released", mean_pairwise_cosine=alike.where(alike < 0.5))
    figure, caption = draw_collapse(dead)
    assert figure.axes[0].lines[1].get_xdata().tolist() == [2, 3]
    assert "zeros for every picture" in caption


def coloured(ax: plt.Axes) -> list:
    "The bars, without the grey ones that explain rules in the legend."
    return [bar for bar in ax.patches if bar.get_facecolor() != (0.5, 0.5, 0.5, 1)]


def test_bars_of_placements(many):
    counts = placement_counts(many, {0: 4, 1: 6, 2: 10})
    _, ax = plt.subplots()
    plot_placements(counts, many, ax)
    assert len(coloured(ax)) == 12 and ax.get_ylim()[0] == 0
    frozen = many.query("method == 'frozen' and level == 0").groupby("seed")["right"].sum()
    assert np.isclose(ax.patches[0].get_height(), frozen.mean())
    told = [text.get_text() for text in ax.get_legend().get_texts()]
    assert {"blind choice", "best single answer for all"} < set(told)
    assert len(told) == len(set(told))


def test_bars_of_seen_classes():
    table = pd.DataFrame(
        [
            (m, s, level, top1 + 0.05 * level + 0.01 * s, (0.003, 0.011, 0.125)[level])
            for m, top1 in (("frozen", 0.8), ("paper", 0.1))
            for s in range(5)
            for level in LEVELS
        ],
        columns=["method", "seed", "level", "top1", "chance"],
    )
    _, ax = plt.subplots()
    plot_seen(table, ax)
    assert np.isclose(ax.patches[0].get_height(), 0.82)


def test_rules_side_by_side():
    rows = [
        placement(f"{m}{rule}", 0, level, f"c{i}", i % 2)
        for m in ("frozen", "paper")
        for rule in ("", "_base", "_sum", "_cost")
        for level in LEVELS
        for i in range(4)
    ]
    placements = pd.DataFrame(rows)
    figure, _ = draw_rules(tables_of(placements=placements), placement_counts(placements))
    (ax,) = figure.axes
    bars = coloured(ax)
    assert len(bars) == 16 and bars[0].get_height() == 2  # eight methods, two levels
    hatches = {bar.get_hatch() for bar in bars}
    assert hatches == {None, "//", "..", "xx"}


# ---- differences ----


def test_differences_of_seen_pictures():
    answers = {"frozen": [1, 1, 0, 1], "paper": [0, 1, 0, 0], "paper_sum": [1, 1, 0, 0]}
    hits = pd.DataFrame(
        [
            (m, s, 0, picture, "ab"[picture // 2], hit)
            for m, right in answers.items()
            for s in (0, 1)
            for picture, hit in enumerate(right)
        ],
        columns=["method", "seed", "level", "picture", "label", "hit"],
    )
    table = pd.DataFrame(seen_differences(hits, 0)).set_index(["method", "against"])
    assert len(table) == 3 and table.loc[("paper", "frozen"), "n"] == 4
    assert np.isclose(table.loc[("paper", "frozen"), "difference"], -0.5)
    assert np.isclose(table.loc[("paper_sum", "paper"), "difference"], 0.25)
    assert np.isclose(table.loc[("paper_sum", "frozen"), "difference"], -0.25)
    assert seen_differences(NOTHING, 0) == [] == placement_differences(NOTHING, 0)


def test_differences_of_placements(many):
    table = pd.DataFrame(placement_differences(many, 0))
    methods = set(many["method"])
    pairs = sum(len(compared_with(m, methods)) for m in methods)
    assert set(table["of"]) == {"unseen classes", "unseen photos"} and len(table) == 2 * 3 * pairs
    right = many[many["level"] == 1].groupby("method")["right"].mean()
    row = table.query("of == 'unseen classes' and level == 1 and method == 'paper'").iloc[0]
    assert np.isclose(row["difference"], right["paper"] - right["frozen"])
    assert row["low"] <= row["difference"] <= row["high"]
    slugs = sorted(set(many["slug"]))
    half = many["slug"].map({slug: i < len(slugs) // 2 for i, slug in enumerate(slugs)})
    of_kin = pd.DataFrame(placement_differences(many.assign(kin_set=half.astype(int)), 0))
    ends = table.columns.intersection(["low", "high"])  # two sets of kin, drawn as wholes
    pd.testing.assert_frame_equal(table.drop(columns=ends), of_kin.drop(columns=ends))
    a, b = (
        many[(many["level"] == 1) & (half == part)].groupby("method")["right"].mean()
        for part in (True, False)
    )
    found = of_kin.query("of == 'unseen classes' and level == 1 and method == 'paper'").iloc[0]
    parts = sorted((a["paper"] - a["frozen"], b["paper"] - b["frozen"]))
    assert np.allclose(found[["low", "high"]].astype(float), parts)


def test_what_is_compared_with_what():
    assert "frozen_sum" in compared_with("kin", ["kin", "frozen", "frozen_sum"])
    methods = ["frozen", "start", "start_sum", "paper_sum"]
    assert {m: compared_with(m, methods) for m in methods} == {
        "frozen": [],
        "start": ["frozen"],
        "start_sum": ["frozen", "start"],
        "paper_sum": ["frozen", "start_sum"],
    }


# ---- figure 9 ----


class Names:
    "As much of a Study as names need."

    def name(self, key):
        return {"a": "ant", "b": "bee", "c": "cat", "x": "wasp"}.get(key, key)


@pytest.fixture(scope="module")
def nine(tree) -> pd.DataFrame:
    rows = [
        placement("paper", 3, 0, "x", 0, chosen="c"),
        placement("paper", 3, 1, "x", 1),
        placement("paper", 3, 2, "x", 1),
        placement("paper", 4, 0, "x", 0, chosen="a"),
        placement("paper", 3, 0, "y", NAN, NAN, "a"),
        placement("paper", 3, 1, "y", NAN, NAN, "1"),
        placement("paper", 3, 2, "y", NAN, NAN, "1"),
    ]
    table = pd.DataFrame(rows)
    assert figure9_table(table, Names(), tree, {}, ["none"]).empty
    assert figure9_table(NOTHING, Names(), tree, {}).empty
    return figure9_table(table, Names(), tree, {"x": ["a", "b"]})


def test_figure9_table(nine):
    assert nine["name"].tolist() == ["wasp", "y"] and nine["kin"].tolist() == ["ant, bee", ""]
    chosen = nine.loc[0, ["chosen_0", "chosen_1", "chosen_2"]]
    assert chosen.tolist() == ["cat", "insects", "insects"]
    assert nine["right_0"].fillna(-1).tolist() == [0, -1]


def test_figure9(nine):
    title = figure9_title(nine, "paper")
    assert title.endswith("Parent right 1 of 1, super-parent right 1 of 1, both 1 of 1.")
    unjudged = figure9_title(nine[nine["slug"] == "y"], "frozen")
    assert unjudged.endswith("No class could be judged.")
    long = nine.head(1).assign(name="an extremely long name of an animal", kin="$a$, " * 20)
    figure = draw_figure9(pd.concat([nine, long]), title)
    texts = {t.get_text().strip() for t in figure.axes[0].texts}
    assert {"wasp", "✓ insects", "? cats", "ant, bee"} < texts
    words = sorted(figure.axes[0].texts, key=lambda t: t.get_position()[::-1])
    boxes = [(t.get_position()[1], t.get_window_extent()) for t in words]
    for (y, left), (below, right) in zip(boxes, boxes[1:]):  # no column runs into the next
        assert y != below or left.x1 < right.x0
    many = pd.concat([nine] * MOST_ROWS)
    assert len(draw_figure9(many, title).axes[0].texts) == 4 + 4 * MOST_ROWS


# ---- figures 1 to 4 ----


def test_diagrams(home):
    copy_diagrams(Run("try"))
    folder = Run("try").folder / "figures"
    for number, caption in DIAGRAMS.items():
        svg = folder / f"figure{number}.svg"
        with Image.open(svg.with_suffix(".png")) as picture:  # made from this SVG, and no other
            assert picture.text["svg"] == sha256(svg.read_bytes()).hexdigest()
        assert svg.with_suffix(".txt").read_text() == f"Figure {number}: {caption}.\n"
