"The ledger judged again from finished runs: seeds together, settings side by side, what is not at hand kept."

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from chip.audit.evidence import DEPENDS, NOT, REPRODUCED, read_settings, setting_words
from chip.ledger import judged_again, ledger
from chip.studies.robustness import across, finished_runs, joined, pooled, robustness

REPORTS = Path(__file__).resolve().parent.parent / "reports"


@pytest.fixture(scope="module")
def points(tmp_path_factory) -> list[Path]:
    """The report of a committed run as points of a sweep: two seeds, and one with other epochs; one
    more trained with another loss."""
    root, points = tmp_path_factory.mktemp("runs"), []
    record = json.loads((REPORTS / "demo" / "run.json").read_text())
    settings = record["settings"]
    changes = ({"seed": 0}, {"seed": 1}, {"seed": 0, "epochs": 21}, {"seed": 1, "loss": "released"})
    for i, change in enumerate(changes):
        folder = root / f"grid.{i}"
        (folder / "tables").mkdir(parents=True)
        (folder / "run.json").write_text(json.dumps({**record, "settings": settings | change}))
        for path in (REPORTS / "demo" / "tables").glob("*.csv"):
            if path.stem in ("curves", "hierarchy", "phase1", "placements", "seen", "unseen"):
                shutil.copy(path, folder / "tables")
        for name in ("seen", "unseen"):
            path = folder / "tables" / f"{name}.csv"
            table = pd.read_csv(path).assign(seed=change["seed"])
            if "epochs" in change and name == "seen":
                table.loc[table["method"] == "paper", "contrastive_accuracy"] = 0.95
            table.to_csv(path, index=False)
        (folder / "40_results.done.json").write_text("{}")
        if change.get("loss") != "released":
            points.append(folder)
    (root / "grid.unfinished").mkdir()
    return points


def test_only_finished_points_of_a_sweep_are_taken(points):
    assert finished_runs(["grid"], points[0].parent) == points  # none that the ledger cannot judge
    assert finished_runs(["gri", "pa"], points[0].parent) == []


def test_seeds_are_put_together_and_settings_side_by_side(points):
    table = robustness(points)
    assert table.groupby("setting")["seeds"].first().tolist() == ["0", "0 to 1"]
    s9 = table[table["claim"] == "S9"].set_index("seeds")
    assert s9.loc["0", "verdict"] == REPRODUCED and s9.loc["0 to 1", "verdict"] == NOT
    assert s9.loc["0 to 1", "n"] == 2
    wide = across(table).set_index("claim")
    assert wide.loc["S9", "turns"] == "turns" and wide.loc["M1", "turns"] == ""
    another = replace(judged_again(points[0]), settings=read_settings(points[0]))
    assert setting_words(another) in set(table["setting"])
    another = replace(another, settings=replace(another.settings, encoder="resnet50"))
    assert setting_words(another).endswith(", resnet50")
    with pytest.raises(ValueError, match="same seed"):
        pooled([judged_again(points[0])] * 2)


def test_the_ledger_names_the_settings_under_which_a_verdict_turns(points):
    table, e = robustness(points), judged_again(points[0])
    row = ledger(replace(e, studies={"robustness": table})).set_index("id").loc["S9"]
    assert row["verdict"] == DEPENDS and row["found"].startswith("In this run not reproduced")
    assert "Reproduced with" in row["found"] and "21 and 2 epochs" in row["found"]


def test_rows_of_settings_that_are_not_at_hand_are_kept(points):
    new = robustness(points[:1])
    old = pd.concat([new.assign(verdict="old"), new.assign(setting="elsewhere", verdict="old")])
    both = joined(new, old)
    assert len(both) == 2 * len(new) and set(both["setting"]) == {"elsewhere", *new["setting"]}
    assert "old" not in set(both.loc[both["setting"] != "elsewhere", "verdict"])
    assert joined(new, pd.DataFrame()) is new
