"Exercises as students meet them: in cells to type in, asked of a run of their own; each mistake is named."

import json
import math
import re
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest
import torch

from chip.audit.evidence import CANNOT
from chip.core.settings import Run
from chip.data.taxonomy import Taxonomy
from chip.hierarchy import Hierarchy, save_hierarchy
from chip.measures import mean_pairwise_cosine
from chip.teaching.exercises import (
    EMPTY,
    EXERCISES,
    RIGHT,
    Slip,
    check,
    check_number,
    inputs_of,
    interval_answers,
    judge_function,
    material,
    silhouette_answers,
)

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
    run.save_table(
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
    run.save_table(
        pd.DataFrame(rows, columns=["method", "seed", "level", "top1"]).assign(
            top5=1.0, cosine=0.3, contrastive_accuracy=0.95
        ),
        "seen",
    )
    run.save_table(
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
def test_a_chapter_has_its_exercises(phase: str):
    "A question, a cell to type in and a cell that checks, with what nbgrader asks of each."
    cells = nbformat.read(ROOT / "nbs" / f"{phase}.ipynb", as_version=4).cells
    asked = [c for c in cells if "exercise" in c.metadata.get("tags", [])]
    own = {e.id: e for e in EXERCISES.values() if e.phase == phase}
    ids = [c.metadata.nbgrader.grade_id for c in asked[2::3]]
    assert len(asked) == 3 * len(own) and set(ids) == set(own)
    for id, question, answer, check_cell in zip(ids, asked[::3], asked[1::3], asked[2::3]):
        assert question.source.startswith(f"### Exercise: {own[id].title}\n")
        assert "*Answer:* " in question.source and "<summary>A hint</summary>" in question.source
        assert re.search(rf"^(def )?{own[id].variable}\b", answer.source, re.MULTILINE)
        assert "..." in answer.source
        assert check_cell.source == f'marked("{id}", {own[id].variable})'
        roles = [c.metadata.nbgrader for c in (question, answer, check_cell)]
        assert [r.grade_id for r in roles] == [f"{id}-question", f"{id}-answer", id]
        assert [(r.grade, r.solution, r.locked) for r in roles] == [
            (False, False, True),
            (False, True, False),
            (True, False, True),
        ]


@pytest.mark.parametrize("phase", PHASES)
def test_a_cell_to_type_in_runs_as_it_stands(phase: str, capsys: pytest.CaptureFixture):
    "Unanswered, a chapter runs through, and says of each exercise that its answer is missing."
    cells = nbformat.read(ROOT / "nbs" / f"{phase}.ipynb", as_version=4).cells
    names: dict = {"np": np}
    for c in cells:
        if c.cell_type == "code" and "exercise" in c.metadata.get("tags", []):
            exec(c.source, names)
    lines = [line for line in capsys.readouterr().out.splitlines() if EMPTY in line]
    assert len(lines) == sum(e.phase == phase for e in EXERCISES.values())
    assert all(line.startswith("… ") for line in lines)
    clobbered = {n for n in names if not n.startswith(("my_", "_"))}
    assert clobbered <= {"np", "given", "marked", "material"}, "a chapter's own names"


@pytest.mark.parametrize("name", EXERCISES)
def test_a_seed_gives_inputs_of_its_own(name: str):
    "The same seed the same inputs, and slips that can be told from the right answer."
    exercise = EXERCISES[name]
    if exercise.answers is None or name == "predict":
        return
    seen = []
    for seed in (1, 2, 3):
        inputs = inputs_of(name, seed)
        known = [exercise.answers(**case) for case in inputs.get("cases", [inputs])]
        seen.append(repr([k[RIGHT] for k in known]))
        assert list(material(name, seed=seed)) == [k for k in inputs if not k.startswith("_")]
    assert len(set(seen)) > 1 or name in ("loss-gradient", "self-confirming", "both-true"), seen


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


def diagnosis(judge, *inputs) -> str:
    "What a judge says; nothing for a right answer."
    try:
        judge(*inputs)
    except Slip as slip:
        return str(slip)
    return ""


@pytest.mark.parametrize(
    "number, words",
    [
        (25, "percentage"),
        (-0.25, "sign"),
        (0.5, "twice"),
        (0.125, "half"),
        (0.75, "complement"),
        (0.253, "rounded"),
        (0.4, "you forgot"),
        (0.61, "too high. Look"),
        (0.1, "too low"),
    ],
)
def test_numbers_that_are_off_everywhere(number: float, words: str):
    answers = {RIGHT: 0.25, "you forgot": 0.4, "never made": math.nan}
    assert words in diagnosis(check_number, number, answers, "Look there.")


@pytest.mark.parametrize("number", [0.25, 0.2501])
def test_three_decimals_suffice(number: float):
    assert diagnosis(check_number, number, {RIGHT: 0.25}, "") == ""


def double(x: np.ndarray) -> np.ndarray:
    "Doubles an array, and spoils the one that it was given."
    x *= 2
    return x


@pytest.mark.parametrize(
    "function, words",
    [
        (lambda x: x, "you forgot to double"),
        (lambda x: None, "return"),
        (lambda x: x.sum(), "an array of shape (3,), one number for each"),
        (lambda: 1, "raises TypeError"),
        (3.0, "a function of (x)"),
        (lambda x: "no", "the text 'no'"),
        (lambda x: x**2, "x=[0., 1., 2.]"),
    ],
)
def test_functions_that_are_off(function, words: str):
    cases = [{"x": np.arange(3.0)}, {"x": np.array([4.0])}]

    def answers(x: np.ndarray) -> dict:
        return {RIGHT: 2 * x, "you forgot to double": x}

    assert words in diagnosis(judge_function, answers, function, {"cases": cases})
    assert diagnosis(judge_function, answers, double, {"cases": cases}) == ""
    assert cases[0]["x"][1] == 1  # the inputs are copies


def unit(x: np.ndarray) -> np.ndarray:
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def by_pairs(x: np.ndarray, pick=np.mean, normalise: bool = True) -> float:
    "The mean, or the largest, of all pairs' products, pair by pair."
    x = unit(x) if normalise else x
    return pick([x[i] @ x[j] for i in range(len(x)) for j in range(i)])


def ud_share(pictures, classes, targets, normalise: bool = True, pick=np.argmax) -> float:
    "Share of pictures that agree with the label of their class."
    x = unit(pictures) if normalise else pictures
    means = np.stack([x[classes == c].mean(axis=0) for c in range(classes.max() + 1)])
    nearest = [pick(unit(rows) @ unit(targets).T, axis=1) for rows in (pictures, means)]
    return np.mean(nearest[0] == nearest[1][classes])


def grade(p, o, low, high, t) -> int:
    if abs(o - p) <= t or (high - low <= 6 * t and low <= p <= high):
        return 2
    return int(abs(o - p) <= 3 * t)


def one_answer(targets, margin, normalise: bool = True, average_first: bool = False) -> float:
    mean = (unit(targets) if normalise else targets).mean(axis=0)
    d = 1 - unit(targets) @ (mean / np.linalg.norm(mean))
    d = d.mean() if average_first else d
    return 1 - np.mean((d + np.maximum(margin - d, 0)) / 2)


def top1(column: str = "top1", level: int = 0) -> pd.DataFrame:  # a row a seed, a column a method
    rows = material("paired")["seen"].query("level == @level")
    return rows.pivot(index="seed", columns="method", values=column)


def paired(column: str = "top1", level: int = 0) -> float:
    return (top1(column, level)["paper"] - top1(column, level)["frozen"]).mean()


def silhouettes_by_k() -> pd.Series:
    return material("best-k")["sweep"].query("level == 1").set_index("k")["silhouette"]


def kin_of_giraffe() -> list[str]:
    inputs = material("nearest-kin")
    return inputs["taxonomy"].kin(inputs["animal"], inputs["among"])


def pulled() -> np.ndarray:
    "The paper's training of the toy, its gradient taken by PyTorch."
    lesson = material("predict")
    pictures, targets = (torch.tensor(lesson[name]) for name in ("pictures", "targets"))
    matrix = torch.eye(24, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.SGD([matrix], lr=0.5)
    for _ in range(200):
        optimiser.zero_grad()
        (1 - torch.cosine_similarity(pictures @ matrix, targets)).mean().backward()
        optimiser.step()
    return matrix.detach().numpy()


def after_pulling() -> float:
    return mean_pairwise_cosine(material("predict")["held_out"] @ pulled())


def top1_of(matrix: np.ndarray) -> float:
    lesson = material("train")
    cosines = unit(lesson["held_out"] @ matrix) @ unit(lesson["targets"]).T
    return (cosines.argmax(axis=1) == lesson["own"]).mean()


RIGHT_ANSWERS = [
    ("silhouette", lambda: silhouette_answers(**material("silhouette"))[RIGHT]),
    ("empty-parent", lambda: ([0, 0, 0], [0, 0, 1])),
    ("empty-parent", lambda: (np.array([0, 0, 0, 1, 1, 1]), np.array([0, 0, 1, 2, 2, 1]))),
    ("best-k", lambda: (silhouettes_by_k().idxmax(), np.diff(np.sort(silhouettes_by_k()))[-1])),
    ("loss-gradient", lambda: lambda d, m: np.where(d > m, 0.5, 0)),
    ("loss-gradient", lambda: lambda d, m: (np.sign(d - m) + 1) / 4),
    ("ceiling", lambda: lambda m, c: min(1 - m / 2, (1 + c) / 2)),
    ("collapse", lambda: by_pairs),
    ("collapse", lambda: mean_pairwise_cosine),
    ("nearest-kin", kin_of_giraffe),
    ("nearest-kin", lambda: set(kin_of_giraffe())),
    ("nearest-kin", lambda: np.array(kin_of_giraffe())),
    ("blind-chance", lambda: 3 / 5),
    ("milder", lambda: ([1, 1, 1, 3], [0, 0, 0, 3])),
    ("predict", lambda: (0.2, after_pulling())),
    ("expected-kin", lambda: lambda p, b, c: sum(q for q, x in zip(p, b) if (x & c).any())),
    ("stop-price", lambda: [1.75, 18]),
    ("own-photos", lambda: ([("robin", "bird")] * 4 + [["bird", "robin"]], 0.8)),
    ("own-photos", lambda: ([("Robin", "animal")] * 5, 1)),
    ("power", lambda: 0.416),
    ("self-confirming", lambda: ud_share),
    ("paired", paired),
    ("wilson", lambda: np.round(interval_answers(14, 20)[RIGHT], 3)),
    ("both-true", lambda: lambda a, c: 1 - a >= (1 - c) / 2),
    ("both-true", lambda: lambda a, c: np.bool_(a <= (1 + c) / 2)),
    ("reproduced", lambda: grade),
    ("one-answer", lambda: one_answer),
    ("share-reproduced", lambda: 5 / 14),
]


@pytest.mark.parametrize("name, answer", RIGHT_ANSWERS)
def test_right_answers_are_accepted(name: str, answer):
    assert check(name, answer()), check(name, answer())


@pytest.mark.parametrize(
    "name, answer, words",
    [
        ("silhouette", None, "return"),
        ("silhouette", "0.5", "without quotes"),
        ("silhouette", len, "call your function"),
        ("silhouette", [1, 2], "take the mean"),
        ("silhouette", True, "truth value True"),
        ("silhouette", math.nan, "division by zero"),
        ("silhouette", {"a": 1}, "dict"),
        ("empty-parent", 5, "two are asked for"),
        ("empty-parent", ([0, 0], [0]), "2 labels and 1 clusters"),
        ("empty-parent", ([0, 1, 2], [0, 1, 1]), "one image for each class"),
        ("empty-parent", ([0, 0, 1], [0, 0, 1]), "class 1 goes to cluster 1"),
        ("empty-parent", ([0, 0], [0, 2]), "cluster 1 has no image at all"),
        ("empty-parent", ([0.5, 1], [0, 1]), "whole numbers"),
        ("empty-parent", ([0, -1], [0, 1]), "from 0 on"),
        ("empty-parent", ([[0], [1]], [0, 1]), "shape (2, 1)"),
        ("empty-parent", ([[0], [1, 2]], [0, 1]), "ragged"),
        ("milder", ([0, 0, 0, 3], [1, 1, 1, 3]), "other order"),
        ("milder", ([0, 0, 0, 1], [0, 0, 0, 3]), "not worse: 0.25 against 0.75"),
        ("milder", ([0, 3], [1, 1]), "not milder: 3 against 1"),
        ("milder", ([0, 0], [0, 1]), "no severity"),
        ("predict", (0.5, mean_pairwise_cosine(material("predict")["held_out"])), "before any"),
        ("predict", (after_pulling(), after_pulling()), "*before* you measure"),
        ("predict", (71, after_pulling()), "between -1 and 1"),
        ("predict", (0.5, ...), "no answer yet"),
        ("predict", 0.7, "two numbers"),
        ("train", (np.eye(24), top1_of(np.eye(24))), "without any training"),
        ("train", (pulled(), top1_of(pulled())), "your loss only pulls"),
        ("train", (pulled(), 1.0), "on the pictures trained on"),
        ("train", (pulled().T, top1_of(pulled())), "transposed"),
        ("train", (np.full((24, 24), np.nan), 0.1), "smaller ones"),
        ("train", (np.zeros((24, 24)), 0.1), "no direction"),
        ("train", (np.eye(3), 0.1), "expected (24, 24)"),
        ("train", "W", "(matrix, top-1"),
        ("expected-kin", lambda p, b, c: p[(b <= c).all(axis=1)].sum(), "*one* leaf"),
        ("expected-kin", lambda p, b, c: p @ (b & c).sum(1) / 5, "posterior="),
        ("expected-kin", lambda p, b, c: p @ ((b & c).sum(1) / b.sum(1)), "do not share"),
        ("stop-price", (18, 1.75), "other order"),
        ("stop-price", (7.5, 20), "multiply them by the chance"),
        ("stop-price", (1.75, 20), "to is 20"),
        ("own-photos", ([("robin", "bird")] * 4, 1), "give 5"),
        ("own-photos", ([("robn", "bird")] * 5, 1), "did you mean 'robin'"),
        ("own-photos", ([("bird", "robin")] * 5, 1), "too specific"),
        ("own-photos", ([("robin", "bird")] * 5, 0), "any group above"),
        ("own-photos", ([("robin", "bird")] * 5, 5), "divide by how many"),
        ("own-photos", "robin", "two are asked for"),
        ("power", 0.7, "may turn out otherwise"),
        ("power", 1 - 0.41637, "missed"),
        ("power", 0.608, "one too few"),
        ("power", 15 / 20, "how often is it reached"),
        ("loss-gradient", lambda d, m: (d > m) * 1.0, "twice too steep"),
        ("loss-gradient", lambda d, m: 0 * d + 0.5, "cancel"),
        ("loss-gradient", lambda d, m: -0.5 * (d < m), "d itself"),
        ("loss-gradient", lambda d, m: np.where(d > 0.1, 0.5, 0), "use its argument"),
        ("loss-gradient", lambda d, m: np.maximum(d, m) / 2, "not its slope"),
        ("loss-gradient", lambda d, m: 0.5, "one number for each"),
        ("loss-gradient", lambda d, m: 0.5 if d > m else 0, "raises ValueError"),
        ("loss-gradient", lambda d, m: np.where(d > m, -0.5, 0), "sign"),
        ("loss-gradient", lambda d, m: np.where(d > m, 0.5, 0).mean(), "shape (4,)"),
        ("ceiling", lambda m, c: (1 + c) / 2, "forgot the margin's floor"),
        ("ceiling", lambda m, c: 1 - m / 2, "forgot the cosine"),
        ("ceiling", lambda m, c: 1 - max(m, 1 - c), "factor of 2"),
        ("ceiling", lambda m, c: max(m, 1 - c) / 2, "least loss"),
        ("ceiling", lambda m, c: 100 * min(1 - m / 2, (1 + c) / 2), "percentage"),
        ("ceiling", lambda m, c: c, "another measure"),
        ("ceiling", 0.95, "a function of (margin, mean_cosine)"),
        ("ceiling", lambda m, c: 0.9, "margin=0.1, mean_cosine=1."),
        ("collapse", lambda x: (unit(x) @ unit(x).T).mean(), "with itself"),
        ("collapse", lambda x: by_pairs(x, normalise=False), "normalise"),
        ("collapse", lambda x: by_pairs(x, max), "largest"),
        ("collapse", lambda x: 1 - by_pairs(x), "distance"),
        ("collapse", lambda x: unit(x) @ unit(x).T, "expected one number"),
        ("collapse", lambda x: 1.0, "expected 0"),
        ("nearest-kin", "n02403003", "list of keys"),
        ("nearest-kin", ["n02403003"], "1 of 9 kin"),
        ("nearest-kin", [*kin_of_giraffe(), "n01440764"], "only at"),
        ("nearest-kin", ["n01440764"], "none of those"),
        ("nearest-kin", ["ox"], "is a name"),
        ("nearest-kin", ["giraffe"], "its own kin"),
        ("nearest-kin", ["deer"], "unseen class itself"),
        ("nearest-kin", ["n0240345"], "did you mean"),
        ("nearest-kin", [[1]], "keys of classes"),
        ("nearest-kin", [], "empty"),
        ("nearest-kin", 5, "a list of keys"),
        ("blind-chance", 5 / 12, "level 0"),
        ("blind-chance", 9 / 12, "handing up"),
        ("blind-chance", 1, "a parent counts once"),
        ("blind-chance", 1 / 5, "at least one of the kin"),
        ("blind-chance", 3 / 12, "among parents"),
        ("blind-chance", 3, "divide by how many"),
        ("blind-chance", 60, "percentage"),
        ("blind-chance", 2 / 5, "complement"),
        ("blind-chance", [0, 1, 4], "one number"),
        ("blind-chance", 0.9, "Which parents"),
        ("self-confirming", lambda p, c, t: 1.0, "always agrees"),
        ("self-confirming", lambda *x: ud_share(*x, normalise=False), "normalise"),
        ("self-confirming", lambda *x: ud_share(*x, pick=np.argmin), "farthest"),
        ("self-confirming", lambda *x: 100 * ud_share(*x), "percentage"),
        ("self-confirming", lambda p, c, t: ud_share(p, c, t) * len(p), "divide by how many"),
        ("self-confirming", lambda p, c: 1, "raises TypeError"),
        ("wilson", (0.4992, 0.9008), "Wald"),
        ("wilson", 0.7, "two numbers"),
        ("wilson", [1, 2, 3], "(low, high)"),
        ("wilson", [1, "2"], "high is the text"),
        ("wilson", (interval_answers(14, 20)[RIGHT][0], 0.99), "high is 0.99"),
        ("wilson", (0.2, 0.9), "low is 0.2"),
        ("both-true", lambda a, c: True, "verdict on Table 1, level 0"),
        ("both-true", lambda a, c: False, "no pair is possible"),
        ("both-true", lambda a, c: a <= c, "(1 + c)/2"),
        ("both-true", lambda a, c: a <= min(0.95, (1 + c) / 2), "*any* margin"),
        ("both-true", lambda a, c: a <= 0.95, "floor alone"),
        ("both-true", lambda a, c: a > (1 + c) / 2, "other way round"),
        ("both-true", lambda a, c: (1 + c) / 2, "True (both can be true)"),
        ("both-true", [0], "a function of"),
        (
            "reproduced",
            lambda p, o, low, high, t: 2 if abs(o - p) <= t else int(abs(o - p) <= 3 * t),
            "tolerance alone",
        ),
        (
            "reproduced",
            lambda p, o, low, high, t: (
                2 if low <= p <= high or abs(o - p) <= t else int(abs(o - p) <= 3 * t)
            ),
            "any width",
        ),
        ("reproduced", lambda *x: 2 - grade(*x), "other way round"),
        ("reproduced", lambda *x: int(grade(*x) == 2), "1 for reproduced"),
        ("reproduced", lambda *x: 0, "expected"),
        ("reproduced", 2, "a function of"),
        ("one-answer", lambda t, m: one_answer(t, m, normalise=False), "unit length first"),
        ("one-answer", lambda t, m: one_answer(t, m, average_first=True), "average then"),
        ("one-answer", lambda t, m: 1 - one_answer(t, m), "1 minus it"),
        ("one-answer", lambda t, m: one_answer(t, 0), "margin's floor"),
        ("one-answer", lambda t, m: 1 - m / 2, "its own target"),
        ("one-answer", lambda t, m: t, "one number"),
        ("share-reproduced", 5 / 20, "neither for the paper nor against"),
        ("share-reproduced", 8 / 14, "'partly' was counted"),
        ("share-reproduced", 5 / 12, "contradict each other"),
        ("share-reproduced", 500 / 14, "percentage"),
        ("share-reproduced", 5, "how many were reproduced"),
        ("share-reproduced", 14, "how many could be tested"),
        ("share-reproduced", "5/14", "without quotes"),
        ("share-reproduced", 0.9, "too high"),
    ],
)
def test_each_mistake_is_named(name: str, answer, words: str):
    verdict = check(name, answer)
    assert not verdict and words in verdict.text, verdict


@pytest.mark.parametrize(
    "answer, words",
    [
        (lambda s, best, lead: (lead, best), "other order"),
        (lambda s, best, lead: (9, lead), "lowest inertia"),
        (lambda s, best, lead: (best - 2, lead), "position in the table"),
        (lambda s, best, lead: (s.idxmin(), lead), "lowest"),
        (lambda s, best, lead: (best, s.max()), "silhouette itself"),
        (lambda s, best, lead: (best, s.max() - s.mean()), "mean of all k"),
        (lambda s, best, lead: (best, -lead), "sign"),
        (lambda s, best, lead: best, "two numbers"),
    ],
)
def test_mistakes_about_the_best_k(answer, words: str):
    s = silhouettes_by_k()
    verdict = check("best-k", answer(s, s.idxmax(), np.diff(np.sort(s))[-1]))
    assert not verdict and words in verdict.text, verdict


def test_a_small_lead_is_judged_by_its_own_size():
    s, inputs = silhouettes_by_k(), material("best-k")
    near = {"sweep": inputs["sweep"].assign(silhouette=lambda t: t["silhouette"] * 1e-3)}
    best, lead = s.idxmax(), np.diff(np.sort(s))[-1]
    judge = EXERCISES["best-k"].judge
    for share in (1e-3, 1.01e-3):
        assert diagnosis(judge, (best, lead * share), near) == ""
    for share in (0, -1e-3, 0.9e-3):
        assert diagnosis(judge, (best, lead * share), near)


@pytest.mark.parametrize(
    "answer, words",
    [
        (lambda: -paired(), "frozen minus paper"),
        (lambda: top1()["paper"].mean() - top1()["frozen"].mean(), "pair them first"),
        (lambda: paired(level=1), "level 1"),
        (lambda: paired("contrastive_accuracy"), "counts nothing"),
        (lambda: paired("top5"), "top5"),
        (lambda: 100 * paired(), "percentage"),
        (
            lambda: top1()[["paper", "paper_base"]].stack().mean() - top1()["frozen"].mean(),
            "exactly",
        ),
        (lambda: top1()["paper"], "take the mean"),
    ],
)
def test_mistakes_about_the_paired_difference(answer, words: str):
    verdict = check("paired", answer())
    assert not verdict and words in verdict.text, verdict


def test_tables_that_nothing_can_be_asked_of():
    seen, claims = material("paired")["seen"], material("share-reproduced")["claims"]
    judge = EXERCISES["paired"].judge
    with pytest.raises(ValueError, match="no rows of paper"):
        judge(0, {"seen": seen.query("method == 'frozen'")})
    with pytest.raises(ValueError, match="no seed in common"):
        judge(0, {"seen": seen.query("(method == 'frozen') == (seed == 0)")})
    with pytest.raises(ValueError, match="no claim of this ledger"):
        EXERCISES["share-reproduced"].judge(1, {"claims": claims.assign(verdict=CANNOT)})


def test_steps_in_the_tree_are_no_kinship():
    paths = {"x": ["r", "a", "x"], "y": ["r", "a", "y"], "z": ["r", "a", "b", "z"], "w": ["r", "w"]}
    inputs = {"taxonomy": Taxonomy(paths), "animal": "x", "among": ["y", "z", "w"]}
    judge = EXERCISES["nearest-kin"].judge
    assert diagnosis(judge, ["y", "z"], inputs) == ""
    assert "counted the steps" in diagnosis(judge, ["y"], inputs)


def test_every_slip_has_its_own_diagnosis():
    "Each wrong number leads to its own sentence, and each wrong interval, too."
    for name, answers in (
        ("silhouette", silhouette_answers(**material("silhouette"))),
        ("wilson", interval_answers(14, 20)),
    ):
        for text, value in answers.items():
            verdict = check(name, value)
            assert verdict if text == RIGHT else text in verdict.text, (text, verdict)


def test_unknown_exercises_are_named():
    with pytest.raises(ValueError, match="did you mean 'loss-gradient'"):
        check("loss_gradiant", 1)
    with pytest.raises(ValueError, match="there are ceiling, milder"):
        material("xyzzy")
    with pytest.raises(FileNotFoundError, match="run notebook 10_hierarchy"):
        check("best-k", (2, 0.1), run="never-made")


def test_a_verdict_is_a_sentence():
    wrong, right = check("wilson", (0.4992, 0.9008)), check("empty-parent", ([0, 0, 0], [0, 0, 1]))
    assert str(wrong).startswith("✗ How sure") and repr(right).startswith("✓")
    for name in EXERCISES:
        for answer in (None, "no idea", object(), [[1, 2], [3, 4]]):
            assert not check(name, answer)


MISTAKES = {  # what the second answer of each solution is told
    "milder": "not worse",
    "predict": "trained on",
    "train": "only pulls",
    "expected-kin": "*one* leaf",
    "stop-price": "multiply them by the chance",
    "own-photos": "any group above",
    "power": "the *interval* has to be",
    "silhouette": "its own neighbour",
    "empty-parent": "one image for each class",
    "best-k": "always falls with k",
    "loss-gradient": "twice too steep",
    "ceiling": "margin's floor",
    "collapse": "the mean is asked for",
    "nearest-kin": "ties all count",
    "blind-chance": "drawing a *class*",
    "self-confirming": "always agrees",
    "paired": "different seeds",
    "wilson": "Wald",
    "both-true": "limits accuracy as well",
    "reproduced": "any width",
    "one-answer": "average then",
    "share-reproduced": "neither",
}


def test_solutions_are_right_and_their_mistakes_are_named(monkeypatch: pytest.MonkeyPatch):
    "The notebook of solutions, as it stands: of each exercise a right answer, then the usual mistake."
    verdicts: dict[str, list] = {}

    def recorded(name: str, answer):
        verdicts.setdefault(name, []).append(check(name, answer))
        return verdicts[name][-1]

    cells = nbformat.read(ROOT / "nbs" / "teaching" / "71_solutions.ipynb", as_version=4).cells
    names: dict = {}
    monkeypatch.setattr("chip.teaching.exercises.check", recorded)
    for cell in cells:
        if cell.cell_type == "code":
            exec(cell.source, names)
    assert {name: [v.right for v in both] for name, both in verdicts.items()} == {
        name: [True, False] for name in EXERCISES
    }
    assert all(words in verdicts[name][1].text for name, words in MISTAKES.items())
    assert math.isclose(names["mean_cosine"](np.ones((7, 3))), 1)
    assert names["before"] < names["after"] == 1  # moving towards the labels confirms them
    assert not any(map(names["possible"], names["printed"]["accuracy"], names["printed"]["cosine"]))
    assert names["grade"](0.94, 0.6, 0.3, 0.95, 0.01) == 0
