"Comparing runs from outside: those in data/runs, and reports that came from elsewhere."

import re
import shutil
from pathlib import Path

import pandas as pd
import pytest
from test_runs import ROOT, Home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def check_page(folder: Path) -> str:
    "A report's page, whose links lead somewhere and which asks for nothing from elsewhere."
    page = (folder / "index.html").read_text()
    for link in re.findall(r'(?:href|src)="([^"#][^"]*)"', page):
        assert link.startswith("data:") or (folder / link).is_file(), link
    return page


@pytest.mark.long
def test_two_runs(home: Home):
    assert home.chip("sweep", "smoke", "-p", "margin=0.1,0.5", "--name", "two").returncode == 0
    done = home.chip("compare", "two.margin-0.1", "two.margin-0.5", "--name", "both")
    assert done.returncode == 0 and done.stdout.startswith("report: "), done.stderr
    folder = home.folder / "reports" / "both"
    page = check_page(folder)
    assert str(home.folder) not in page and "made with the same versions" in page
    assert pd.read_csv(folder / "tables" / "settings.csv").values.tolist() == [["margin", 0.1, 0.5]]
    assert set(pd.read_csv(folder / "tables" / "differences.csv")["difference"]) == {0.0}
    refused = home.chip("compare", "two.margin-0.1", "two.margin-0.6")
    assert (
        refused.returncode == 2
        and refused.stderr
        == "chip: error: there is no run 'two.margin-0.6', did you mean 'two.margin-0.5'?\n"
    )
    sweep = home.chip("compare", "two", "two.margin-0.1")
    assert (
        sweep.returncode == 2
        and "'two' is a sweep: compare runs of it, such as two.margin-0.1 two.margin-0.5"
        in sweep.stderr
    )
    assert (
        home.chip("compare", "two.margin-0.1", "two.margin-0.5", "--name", "two").returncode == 2
    )  # that is a sweep's report


def test_committed_reports_of_different_worlds(home: Home):
    for name in ("demo", "photos"):
        shutil.copytree(ROOT / "reports" / name, home.folder / "reports" / name)
    done = home.chip("compare", "demo", "photos", "--name", "both", real=True)
    assert done.returncode == 0, done.stderr
    page = check_page(home.folder / "reports" / "both")
    assert (
        "photos and demo have other classes: 0 in common" in page
        and "accuracies at this level answer different questions" in page
    )
    assert "0 unseen classes in common, of 20 and 20" in page
    wide = pd.read_csv(home.folder / "reports" / "both" / "tables" / "side_by_side.csv")
    assert (
        {"demo", "photos"} < set(wide.columns)
        and set(wide["level"]) == {0, 1, 2}
        and {"frozen", "paper"} <= set(wide["method"])
    )
