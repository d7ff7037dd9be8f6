"Summaries and comparisons from inside: gaps, figures, runs that are refused, promises kept or not."

import json
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from chip.running import summaries
from chip.running.runs import Refused, ReportFolder, replacing
from chip.running.summaries import (
    KEYS,
    compare_runs,
    compare_tables,
    default_name,
    differences_text,
    differing,
    figures_for,
    find_run,
    from_first,
    from_method,
    hierarchy_notes,
    measured_notes,
    measurements,
    read_scatter,
    save_all,
    scatter_of_sweep,
    seed_scatter,
    summarise,
    sweep_tables,
    write_page,
)

RIGHT = {"top1": "pictures put right"}


def seen_rows() -> pd.DataFrame:
    "Two learning rates, two methods, three seeds, two levels: training helps by ten rates."
    rows = []
    for lr in (0.01, 0.02):
        for method in ("frozen", "paper"):
            for seed in (0, 1, 2):
                top1 = 0.5 + seed / 100 + (10 * lr if method == "paper" else 0)
                rows += [(lr, method, seed, level, 40, 16, top1, 1 / 16, 0.8) for level in (0, 1)]
    columns = ["lr", "method", "seed", "level", "n_images", "n_targets", "top1", "chance", "cosine"]
    return pd.DataFrame(rows, columns=columns)


@pytest.fixture(scope="module")
def long() -> pd.DataFrame:
    placed = [
        (lr, method, seed, 1, slug, right, 0.25, *photos)
        for lr in (0.01, 0.02)
        for method in ("frozen", "paper")
        for seed in (0, 1, 2)
        for slug, right, photos in [
            ("deer", 1, (9, 9)),
            ("crow", 0, (0, 3)),
            ("none", None, (2, 4)),
        ]
    ]
    columns = ["lr", *KEYS, "slug", "right", "chance", "photos_right", "photos_total"]
    placements = pd.DataFrame(placed, columns=columns)
    return measurements({"seen": seen_rows(), "placements": placements}, ["lr"])


@pytest.fixture(scope="module")
def rates(long: pd.DataFrame) -> pd.DataFrame:
    "Three learning rates that grow by factors; training loses a fifth at each."
    parts = []
    for i, lr in enumerate((1e-4, 1e-3, 1e-2)):
        part = long[long["lr"] == 0.01].assign(lr=lr)
        factor = np.where(part["method"] == "paper", 1 - 0.2 * i, 1)
        parts.append(part.assign(value=part["value"] * factor))
    return pd.concat(parts)


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def tick_labels(figure) -> list[str]:
    return [label.get_text() for label in figure.axes[0].get_xticklabels()]


# ---- means and differences ----


def test_the_long_form(long: pd.DataFrame):
    assert sorted(set(long["measure"])) == ["cosine", "photos", "placed", "top1"]
    assert not long.duplicated(["lr", *KEYS, "measure"]).any()
    assert (long.loc[long["measure"] == "photos", "value"] == 0.5).all()  # deer all, crow none
    assert measurements({"second": seen_rows()}, ["lr"]).empty
    assert sweep_tables(pd.DataFrame(), {"lr": [1, 2]}) == ({}, {})


def test_a_summary_does_not_depend_on_the_order_of_rows(long: pd.DataFrame):
    keys = ["lr", "measure", "level", "method"]
    mixed = summarise(long.sample(frac=1, random_state=0), ["lr"])
    summary = summarise(long, ["lr"])
    pd.testing.assert_frame_equal(
        mixed.sort_values(keys, ignore_index=True), summary.sort_values(keys, ignore_index=True)
    )
    assert len(summarise(long.drop(columns="lr"))) == len(summary) // 2  # n doubles


def test_differences_with_nothing_to_pair(long: pd.DataFrame):
    assert from_method(long[long["method"] == "paper"], ["lr"]).empty
    assert from_first(long, {}).empty
    assert set(from_method(long, ["lr"])["method"]) == {"paper"}


def test_two_settings_and_a_seed_that_is_missing(long: pd.DataFrame):
    two = pd.concat([long.assign(margin=m, value=long["value"] * (1 + m)) for m in (0.0, 1.0)])
    some = two[(two["seed"] < 2) | (two["margin"] == 0)]
    both = from_first(some, {"lr": [0.01, 0.02], "margin": [0.0, 1.0]})
    assert len(both) == 2 * (both["setting"] == "lr").sum()
    row = both.query(
        "setting == 'margin' and measure == 'top1' and lr == 0.02"
        " and method == 'paper' and level == 0"
    ).iloc[0]
    assert row["difference"] == pytest.approx(0.705) and row["n"] == 2


# ---- figures ----


def test_figures_of_choices_and_of_seeds(long: pd.DataFrame, rates: pd.DataFrame):
    names = {1e-4: "lite0", 1e-3: "lite2", 1e-2: "resnet152"}
    named = rates.assign(encoder=rates["lr"].map(names)).drop(columns="lr")
    dots = figures_for(named, {"encoder": list(names.values())}, RIGHT)["top1_encoder"][0]
    assert tick_labels(dots) == ["lite0", "lite2", "resnet152"]
    alone = long[long["lr"] == 0.01].drop(columns="lr")
    seeds = figures_for(alone, {}, {**RIGHT, "placed": "unseen classes among kin"})
    assert tick_labels(seeds["top1_seeds"][0]) == ["frozen", "paper", "chance"]
    assert len(seeds["top1_seeds"][0].axes) == 2 and len(seeds["placed_seeds"][0].axes) == 1


def test_a_crowded_figure_shows_the_first_rule_of_each_method(long: pd.DataFrame):
    rules = [
        long.assign(method=[m if m == "chance" else m + rule for m in long["method"]])
        for rule in ("", "_base", "_sum", "_cost")
    ]
    many = pd.concat(rules).drop_duplicates([*KEYS, "lr", "measure"])
    alone = many[many["lr"] == 0.01].drop(columns="lr")
    figure, caption = figures_for(alone, {}, RIGHT)["top1_seeds"]
    assert tick_labels(figure) == ["frozen", "paper", "chance"]
    assert caption.endswith("The other rules of inference are in the tables.")
    styles = summaries._styles(["paper", "paper_base", "frozen_base"])
    assert {style["marker"] for style in styles.values()} == {"o", "s"}


def test_a_single_seed_has_no_band(rates: pd.DataFrame):
    single = figures_for(rates[rates["seed"] == 0], {"lr": [1e-4, 1e-3, 1e-2]}, RIGHT)
    figure, caption = single["top1_lr"]
    assert "one seed, so without an interval" in caption and not figure.axes[0].collections


def test_the_caption_says_over_what_was_averaged(long: pd.DataFrame):
    two = pd.concat([long.assign(margin=m) for m in (0.0, 1.0)])
    figures = figures_for(two, {"lr": [0.01, 0.02], "margin": [0.0, 1.0]}, RIGHT)
    assert "averaged over margin" in figures["top1_lr"][1]


def test_a_report_that_fails_leaves_the_old_one(tmp_path: Path, rates: pd.DataFrame):
    target = tmp_path / "reports" / "mine"
    figures = figures_for(rates, {"lr": [1e-4, 1e-3, 1e-2]}, RIGHT)
    with replacing(target) as folder:
        save_all(folder, {"summary": (summarise(rates, ["lr"]), "What came out.")}, figures)
        write_page(folder, "base.html.j2", ["summary"], title="mine")
    page = (target / "index.html").read_text()
    assert page.count("<img ") == 1 and "What came out." in page
    with pytest.raises(ZeroDivisionError), replacing(target) as folder:
        assert isinstance(folder, ReportFolder)
        raise ZeroDivisionError
    assert (target / "index.html").read_text() == page
    names = sorted(path.name for path in target.iterdir())
    assert names == [".made", "figures", "index.html", "tables"]


# ---- comparisons ----


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CHIP_HOME", str(tmp_path))
    write_report(tmp_path, "slow", 0.4, (0, 1, 2), (0, 0, 1, 1))
    older = {"settings": {"lr": 0.1}, "packages": {"torch": "2.11"}}
    write_report(tmp_path, "quick", 0.6, (0, 1, 2), (1, 1, 0, 0), **older)
    write_report(tmp_path, "other", 0.5, (7,), (0, 1, 2, 2))
    return tmp_path


def write_report(
    home: Path, name: str, top1: float, seeds: tuple, parents: tuple, **changes: Any
) -> None:
    "A report of a made-up run."
    folder = home / "reports" / name
    (folder / "tables").mkdir(parents=True)
    hardware = {"processor": "any", "cores": 2, "memory": 8 * 2**30, "gpu": [], "system": "Linux"}
    record = {
        "name": name,
        "profile": "smoke",
        "settings": {"lr": 0.01, "epochs": 5, **changes.pop("settings", {})},
        "seeds": list(seeds),
        "seconds": 12.5,
        "packages": {"torch": "2.12", "numpy": "2.4", **changes.pop("packages", {})},
        "hardware": {**hardware, **changes.pop("hardware", {})},
        "git": {"commit": "a" * 40, "dirty": False},
    }
    (folder / "run.json").write_text(json.dumps(record | changes))
    rows = [
        (method, seed, level, 8, n, top1 + seed / 100 + (method == "frozen") / 10, 0.25, 0.5)
        for method in ("paper", "frozen")
        for seed in seeds
        for level, n in enumerate((4, len(set(parents))))
    ]
    columns = [*KEYS, "n_images", "n_targets", "top1", "chance", "cosine"]
    pd.DataFrame(rows, columns=columns).to_csv(folder / "tables" / "seen.csv", index=False)
    hierarchy = {"wnid": list("abcd"), "name": list("abcd"), "parent": parents, "super_parent": 0}
    pd.DataFrame(hierarchy).to_csv(folder / "tables" / "hierarchy.csv", index=False)


def test_runs_that_are_not_there(home: Path):
    with pytest.raises(Refused, match="there is no run 'xyz'; there are other, quick, slow"):
        find_run("xyz")
    with pytest.raises(Refused, match="did you mean 'quick'"):
        compare_runs(["slow", "qick"])
    with pytest.raises(Refused, match="needs two"):
        compare_runs(["slow"])
    with pytest.raises(Refused, match="given twice"):
        compare_runs(["slow", "slow"])
    with pytest.raises(Refused, match="reports/slow is the report of a run"):
        compare_runs(["quick", "other"], "slow")
    (home / "data" / "runs" / "begun").mkdir(parents=True)
    with pytest.raises(Refused, match="run 'begun' is not finished: chip run --name begun"):
        find_run("begun")


def test_what_differs(home: Path):
    runs = [find_run(name) for name in ("slow", "quick", "other")]
    made = differing({run.name: summaries._circumstances(run.record) for run in runs}, "what")
    assert made.values.tolist() == [["torch", "2.12", "2.11", "2.12"]]
    write_report(home, "swapped", 0.5, (0,), (0, 1, 0, 1))
    path = home / "reports" / "swapped" / "tables" / "seen.csv"
    pd.read_csv(path).assign(n_images=9).to_csv(path, index=False)
    notes = measured_notes(runs[0], find_run("swapped"))
    assert notes == ["swapped was measured on 9 test pictures, slow on 8."]
    notes = hierarchy_notes(runs[0], find_run("swapped"))
    assert "2 parents each, but other ones (adjusted mutual information" in notes[0]


def test_only_runs_with_a_common_seed_are_paired(home: Path):
    tables, figures, _ = compare_tables([find_run(name) for name in ("slow", "quick", "other")])
    assert set(tables["differences"][0]["run"]) == {"quick"} and list(figures) == ["top1_run"]


def test_pages(home: Path):
    page = compare_runs(["slow", "quick", "other"], "all").read_text()
    assert "no seed in common" in page and "2.11" in page and "<code>lr</code>" not in page
    settings = pd.read_csv(home / "reports" / "all" / "tables" / "settings.csv")
    assert settings.columns.tolist() == ["setting", "slow", "quick", "other"]
    write_report(
        home, "again", 0.4, (0, 1, 2), (0, 0, 1, 1), contents={"pictures": "other ones"}
    )  # the same settings, other pictures
    compare_runs(["slow", "again"], "pictures")
    table = home / "reports" / "pictures" / "tables" / "settings.csv"
    assert "content of pictures,,other ones" in table.read_text()
    first = compare_runs(["slow", "quick"])
    assert first.read_text() == compare_runs(["slow", "quick"]).read_text()  # the same each time
    assert len(default_name(["a" * 50, "b" * 50])) < 60


# ---- what reproduction promises ----


def test_the_same_machine_promises_the_same_bytes(home: Path):
    write_report(home, "again", 0.4, (0, 1, 2), (0, 0, 1, 1))
    write_report(home, "broken", 0.5, (0, 1, 2), (0, 0, 1, 1))
    tables, _, notes = compare_tables([find_run(name) for name in ("slow", "again", "broken")])
    assert notes[0].startswith(
        "again repeats slow on the same machine: 0 of 8 measurements are not"
    )
    assert "4 of 8 measurements are not what that promises" in notes[1]
    rows = tables["differences"][0]
    assert rows["difference"].abs().is_monotonic_decreasing
    assert set(rows["promise"]) == {"the same bytes"}
    assert (rows["kept"] == "no").sum() == 4 and set(rows["kept"][:4]) == {"no"}


def test_runs_with_other_settings_promise_nothing(home: Path):
    tables, _, notes = compare_tables([find_run(name) for name in ("slow", "quick")])
    assert notes == [] and "promise" not in tables["differences"][0]
    folder = compare_runs(["slow", "quick"]).parent
    assert "quick" in differences_text(folder) and "promise" not in differences_text(folder)


@pytest.mark.parametrize(
    "elsewhere", [{"hardware": {"processor": "another"}}, {"backend": "openvino"}]
)
def test_elsewhere_trained_rows_are_further_draws(
    home: Path, monkeypatch: pytest.MonkeyPatch, elsewhere: dict
):
    write_report(home, "near", 0.4005, (0, 1, 2), (0, 0, 1, 1), **elsewhere)
    write_report(home, "far", 0.48, (0, 1, 2), (0, 0, 1, 1), **elsewhere)
    draws = [("paper", seed, 0, "top1", 0.4 + seed / 100) for seed in range(3)]
    scatter = seed_scatter(pd.DataFrame(draws, columns=[*KEYS, "measure", "value"]))
    monkeypatch.setattr(summaries, "read_scatter", lambda profile: scatter)
    runs = [find_run(name) for name in ("slow", "near", "far")]
    tables, _, notes = compare_tables(runs)
    assert f"not the same: {'processor' if 'hardware' in elsewhere else 'backend'}" in notes[0]
    assert "0 of 8 measurements are not what that promises, of 3 it is not known" in notes[0]
    rows = tables["differences"][0].set_index(["run", "measure", "level", "method"])
    assert [*rows.loc[("far", "top1", 0, "frozen"), ["promise", "kept"]]] == ["within 0.001", "no"]
    assert rows.loc[("near", "top1", 0, "frozen"), "kept"] == "yes"
    assert rows.loc[("near", "top1", 0, "paper"), "kept"] == "yes"
    assert rows.loc[("far", "top1", 0, "paper"), "kept"] == "no"
    assert rows.loc[("far", "top1", 0, "paper"), "promise"] == "a draw from 0.360 to 0.460"
    assert rows.loc[("far", "cosine", 0, "paper"), "kept"] == ""
    text = differences_text(compare_runs(["slow", "near", "far"]).parent)
    assert "repeats slow elsewhere" in text and "a draw from" in text


def test_the_scatter_of_a_sweep(home: Path, long: pd.DataFrame):
    folder = home / "reports" / "seeds"
    folder.mkdir()
    record = {"varied": {"seed": [0, 1, 2]}, "failed": {}}
    (folder / "sweep.json").write_text(json.dumps(record))
    one = long[long["lr"] == 0.01].drop(columns="lr").assign(point="x")
    one.to_parquet(folder / "results.parquet")
    scatter = scatter_of_sweep("seeds")
    assert list(scatter) == ["method", "level", "table", "column", "mean", "low", "high", "seeds"]
    assert set(scatter["table"]) == {"seen", "placements"} and set(scatter["seeds"]) == {3}
    single = seed_scatter(one[one["seed"] == 0])
    assert single[["low", "high"]].isna().all(axis=None)
    shares = one.assign(value=np.where(one["seed"] == 0, 0.99, 0.2))
    assert seed_scatter(shares).query("column == 'top1'")[["low", "high"]].values.tolist()[0] == [
        0,
        1,
    ]
    (folder / "sweep.json").write_text(json.dumps({**record, "failed": {"x": "why"}}))
    with pytest.raises(Refused, match="expected finished points that differ in nothing but seed"):
        scatter_of_sweep("seeds")
    with pytest.raises(Refused, match="there is no sweep 'none'"):
        scatter_of_sweep("none")
    assert read_scatter("no such profile").empty
