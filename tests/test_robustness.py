"The ledger judged again from finished runs: seeds together, settings side by side, what is not at hand kept."

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from chip.audit.evidence import DEPENDS, NOT, REPRODUCED, read_settings, setting_words
from chip.ledger import judged_again, ledger
from chip.studies.robustness import (
    across,
    finished_runs,
    gathered,
    joined,
    other_losses,
    pooled,
    robustness,
    seeds_of,
    side_by_side,
    trained_with,
)

REPORTS = Path(__file__).resolve().parent.parent / "reports"


@pytest.fixture(scope="module")
def points(tmp_path_factory) -> list[Path]:
    """The report of a committed run as points of a sweep: two seeds, and one with other epochs,
    trained with both losses (the released one's cosine is made up); a fourth with that alone."""
    root, points = tmp_path_factory.mktemp("runs"), []
    record = json.loads((REPORTS / "demo" / "run.json").read_text())
    settings = record["settings"] | {"loss": "paper+released"}
    changes = ({"seed": 0}, {"seed": 1}, {"seed": 0, "epochs": 21}, {"seed": 2, "loss": "released"})
    for i, change in enumerate(changes):
        folder = root / f"grid.{i}"
        (folder / "tables").mkdir(parents=True)
        (folder / "run.json").write_text(json.dumps({**record, "settings": settings | change}))
        for path in (REPORTS / "demo" / "tables").glob("*.csv"):
            if path.stem in ("curves", "hierarchy", "phase1", "placements", "seen", "unseen"):
                shutil.copy(path, folder / "tables")
        for name in ("curves", "placements", "seen", "unseen"):
            path = folder / "tables" / f"{name}.csv"
            table = pd.read_csv(path).assign(seed=change["seed"])
            other = table[table["method"].str.match("paper")].copy()
            other["method"] = other["method"].str.replace("paper", "released")
            if "cosine" in table:
                other["cosine"] /= 2
            table = pd.concat([table[~table["method"].str.match("released")], other])
            if "epochs" in change and name == "seen":
                table.loc[table["method"] == "paper", "contrastive_accuracy"] = 0.95
            table.to_csv(path, index=False)
        (folder / "40_results.done.json").write_text("{}")
        points.append(folder)
    (root / "grid.unfinished").mkdir()
    return points


def test_only_finished_points_of_a_sweep_are_taken(points):
    assert finished_runs(["grid"], points[0].parent) == points
    assert finished_runs(["gri", "pa"], points[0].parent) == []


def test_seeds_are_put_together_and_settings_side_by_side(points):
    table = robustness(gathered(points))
    assert table.groupby("setting")["seeds"].first().tolist() == ["0", "0 to 1"]
    s9 = table[table["claim"] == "S9"].set_index("seeds")
    assert s9.loc["0", "verdict"] == REPRODUCED and s9.loc["0 to 1", "verdict"] == NOT
    assert s9.loc["0 to 1", "n"] == 2
    assert set(across(table)["turns"]) == {""}  # a setting of one seed turns nothing
    wide = across(table.replace({"seeds": {"0": "0 to 1"}})).set_index("claim")
    assert wide.loc["S9", "turns"] == "turns" and wide.loc["M1", "turns"] == ""
    another = replace(judged_again(points[0]), settings=read_settings(points[0]))
    assert setting_words(another) in set(table["setting"])
    another = replace(another, settings=replace(another.settings, encoder="resnet50"))
    assert setting_words(another).endswith(", resnet50")
    gap = trained_with(pooled([judged_again(points[i]) for i in (0, 3)]), "released")
    assert seeds_of(gap) == "0, 2"
    with pytest.raises(ValueError, match="same seed"):
        pooled([judged_again(points[0])] * 2)


def test_the_ledger_names_the_settings_under_which_a_verdict_turns(points):
    table, e = robustness(gathered(points)), judged_again(points[0])
    table = table.replace({"seeds": {"0": "0 to 1"}})
    e = replace(e, settings=replace(e.settings, n_seeds=2))
    row = ledger(replace(e, studies={"robustness": table})).set_index("id").loc["S9"]
    assert row["verdict"] == DEPENDS and row["found"].startswith("In this run not reproduced")
    assert "Reproduced with" in row["found"] and "21 and 2 epochs" in row["found"]


def test_rows_of_settings_that_are_not_at_hand_are_kept(points):
    new = robustness(gathered(points[:1]))
    old = pd.concat([new.assign(verdict="old"), new.assign(setting="elsewhere", verdict="old")])
    both = joined(new, old)
    assert len(both) == 2 * len(new) and set(both["setting"]) == {"elsewhere", *new["setting"]}
    assert "old" not in set(both.loc[both["setting"] != "elsewhere", "verdict"])
    assert joined(new, pd.DataFrame()) is new
    by_loss = joined(new.assign(loss="released"), old.assign(loss="contrastive"))
    assert len(by_loss) == len(new) + len(old)  # of another loss, though of the same setting


def test_another_loss_is_judged_in_the_place_of_the_papers(points):
    "Runs of three seeds trained with both losses or one: what is judged is what that one gives."
    runs = gathered(points)
    table = other_losses(runs)
    assert set(table["loss"]) == {"released"}  # no run contrasts
    assert set(table["seeds"]) == {"0 to 2", "0"}
    assert not set(table["claim"]) & {"H5", "M7"}  # which no loss touches
    e = runs[0]
    both = e.tables.seen.query("method in ['paper', 'released'] and level == 0").set_index("method")
    own = trained_with(e, "released").tables.seen.query("method == 'paper' and level == 0")
    assert own["cosine"].item() == both.loc["released", "cosine"] != both.loc["paper", "cosine"]
    assert trained_with(e, "paper").tables.seen is e.tables.seen
    kinds = set(trained_with(e, "released").tables.placements["method"])
    assert {"paper_sum", "frozen"} <= kinds and "released_sum" not in kinds
    beside = side_by_side(runs).set_index(["setting", "loss", "level"])
    assert set(beside.index.get_level_values("loss")) == {"none", "paper", "released"}
    told = beside.xs((setting_words(e), 0), level=("setting", "level"))
    assert told.loc["released", "cosine"] == pytest.approx(both.loc["released", "cosine"])
    assert told.loc["none", "best_constant"] == told.loc["paper", "best_constant"]
    assert told.loc["released", "last_epoch"] > 0


def test_the_ledger_tells_what_other_losses_give_and_turns_no_verdict_by_it(points):
    e, table = judged_again(points[0]), other_losses(gathered(points))
    plain = ledger(replace(e, studies={})).set_index("id")
    lines = ledger(replace(e, studies={"losses": table})).set_index("id")
    assert lines["verdict"].equals(plain["verdict"])
    verdict = table[(table["claim"] == "S9") & (table["seeds"] == "0 to 2")]["verdict"].item()
    assert f" by the released loss: {verdict}." in lines.loc["S9", "found"]
    assert "(one seed)" in lines.loc["S9", "found"]  # the other setting
    assert "released loss:" not in plain.loc["S9", "found"]
