"Exercises as students meet them: at the end of each phase's notebook, asked of a run of their own."

import json
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest

from chip.core.settings import Run, save_table
from chip.hierarchy import Hierarchy, save_hierarchy
from chip.teaching.exercises import EXERCISES, check, exercises_markdown, material

ROOT = Path(__file__).resolve().parent.parent
PHASES = list(dict.fromkeys(e.phase for e in EXERCISES.values()))
SEEN = ("ant", "bee", "cat", "dog")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    "What the phases leave that the exercises read, made by hand: four seen classes, three parents, one unseen class."
    monkeypatch.setenv("CHIP_HOME", str(tmp_path))
    run, root = Run("lecture"), tmp_path / "pictures"
    root.mkdir()
    (root / "taxonomy.csv").write_text(
        "key,name,hypernyms\nant,ant,animal > insect > ant\nbee,bee,animal > insect > bee\ncat,cat,animal > mammal > cat\ndog,dog,animal > mammal > dog\nfox,fox,animal > mammal > fox\n"
    )
    pictures = pd.DataFrame(
        [(f"train/{k}/0.png", k, "train") for k in SEEN] + [("unseen/fox/0.png", "fox", "unseen")],
        columns=["path", "label", "split"],
    )
    pictures.to_parquet(run.path("pictures.parquet"))
    run.path("study.json").write_text(json.dumps({"root": str(root), "summary": ""}))
    parent, super_of, level0 = np.array([0, 0, 1, 2]), np.array([0, 1, 1]), np.eye(4)
    level1 = np.stack([level0[parent == p].mean(axis=0) for p in range(3)])
    targets = (level0, level1, np.stack([level1[super_of == s].mean(axis=0) for s in range(2)]))
    save_hierarchy(
        Hierarchy(SEEN, SEEN, parent, super_of, targets, (("a", "b", "c"), ("d", "e")), {}),
        run.path("hierarchy.parquet"),
    )
    save_table(
        run,
        pd.DataFrame(
            {
                "level": [1, 1, 1, 2],
                "k": [7, 8, 9, 2],
                "inertia": [3.0, 2, 1, 1],
                "silhouette": [0.1, 0.14, 0.13, 0.5],
            }
        ),
        "sweep",
    )
    rows = [
        (m, s, 0, t)
        for m, values in (("paper", (0.1, 0.2)), ("frozen", (0.5, 0.9)))
        for s, t in enumerate(values)
    ]
    save_table(
        run,
        pd.DataFrame(rows, columns=["method", "seed", "level", "top1"]).assign(
            top5=1.0, cosine=0.3, contrastive_accuracy=0.95
        ),
        "seen",
    )
    save_table(
        run,
        pd.DataFrame(
            {
                "id": list("abcdefg"),
                "verdict": [
                    "reproduced",
                    "reproduced",
                    "partly",
                    "not reproduced",
                    "not reproduced",
                    "contradicts itself",
                    "cannot be tested here",
                ],
            }
        ),
        "claims",
    )
    return run


@pytest.mark.parametrize("phase", PHASES)
def test_phase_has_its_exercises(phase: str):
    cells = nbformat.read(ROOT / "nbs" / f"{phase}.ipynb", as_version=4).cells
    assert exercises_markdown(phase) in [c.source for c in cells if c.cell_type == "markdown"]


def test_run_is_what_is_asked(run: Run):
    right = {
        "best-k": (8, 0.01),
        "paired": -0.55,
        "nearest-kin": ["cat", "dog"],
        "blind-chance": 2 / 3,
        "share-reproduced": 1 / 3,
    }
    for name, answer in right.items():
        assert check(name, answer, run), check(name, answer, run)
        assert check(name, answer, run.name) and not check(
            name, answer
        )  # by its name too; the built-in inputs have other answers


@pytest.mark.parametrize(
    "name, answer, words",
    [
        ("best-k", (9, 0.01), "always falls with k"),
        ("best-k", (2, 0.01), "level 2"),
        ("best-k", (8, 0.14), "silhouette itself"),
        ("best-k", (1, 0.01), "position in the table"),
        ("paired", 0.55, "frozen minus paper"),
        ("paired", -55, "percentage"),
        ("paired", -0.1, "too high"),
        ("nearest-kin", ["cat"], "ties all count"),
        ("nearest-kin", ["cat", "ant"], "only at 'animal'"),
        ("nearest-kin", ["fox"], "its own kin"),
        ("nearest-kin", ["cart"], "did you mean 'cat'"),
        ("share-reproduced", 2 / 7, "neither for the paper"),
        ("share-reproduced", 3 / 6, "'partly' was counted"),
        ("share-reproduced", 2 / 5, "contradict each other"),
        ("blind-chance", 1 / 2, "level 0"),
        ("blind-chance", 1 / 3, "at least one of the kin"),
        ("blind-chance", 2, "divide by how many"),
    ],
)
def test_slips_on_a_run(run: Run, name: str, answer, words: str):
    verdict = check(name, answer, run)
    assert not verdict and words in verdict.text, verdict


def test_a_run_that_has_not_come_so_far_is_named(run: Run):
    (run.folder / "tables" / "seen.csv").unlink()
    with pytest.raises(FileNotFoundError, match="run notebook 20_oneshot"):
        check("paired", 0, run)
    with pytest.raises(FileNotFoundError, match="no tables/sweep.csv"):
        material("best-k", "another")


def test_a_run_without_a_tree_says_so(run: Run):
    root = json.loads(run.path("study.json").read_text())["root"]
    Path(root, "taxonomy.csv").unlink()
    for name in ("nearest-kin", "blind-chance"):
        with pytest.raises(ValueError, match="leave the run out"):
            check(name, 1, run)


@pytest.mark.parametrize("name", EXERCISES)
def test_no_verdict_is_bare(name: str):
    "Whatever is handed in, the verdict says more than that it is wrong."
    for answer in (
        None,
        "",
        0,
        -3.5,
        [],
        {},
        (0.5, 0.5),
        np.zeros((2, 2)),
        np.nan,
        lambda *x: 0,
        lambda: 0,
        lambda *x: 1 / 0,
    ):
        verdict = check(name, answer)
        assert (
            verdict.right or len(verdict.text.removeprefix(EXERCISES[name].title.rstrip("?"))) > 40
        ), verdict
