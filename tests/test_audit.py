"The audit from outside: on runs that lack this or that, on evidence that was changed on disk, and as a notebook."

import dataclasses
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from processes import forked, run_papermill
from safetensors.numpy import save_file

from chip import ledger as audit
from chip.audit import evidence, findings, released, summary
from chip.core.settings import Run, make_settings, save_settings
from chip.core.study import load_study
from chip.data.images import scan_images
from chip.data.taxonomy import animals
from chip.hierarchy import build_hierarchy, load_hierarchy, save_hierarchy

ROOT = Path(__file__).resolve().parent.parent
LEVELS = (0, 1, 2)
CANNOT, NONE = evidence.CANNOT, pd.DataFrame()


def seen_table() -> pd.DataFrame:
    return pd.DataFrame(
        [
            dict(
                method=m,
                seed=s,
                level=level,
                n_images=12,
                n_targets=(6, 3, 2)[level],
                top1=0.3 + 0.4 * (m == "frozen"),
                top5=1.0,
                chance=1 / (6, 3, 2)[level],
                cosine=0.6 - 0.1 * level,
                contrastive_loss=0.2,
                contrastive_accuracy=0.8,
                mean_pairwise_cosine=0.9 - 0.5 * (m == "frozen"),
            )
            for m in ("frozen", "paper")
            for s in (0, 1)
            for level in LEVELS
        ]
    )


def placement_table() -> pd.DataFrame:
    return pd.DataFrame(
        [
            dict(
                method=m,
                seed=s,
                level=level,
                slug=f"u{i}",
                n_images=2,
                chosen=0,
                right=int(i < (2 if m.startswith("paper") else 5)),
                chance=0.2,
                photos_right=1,
                photos_total=2,
            )
            for m in ("frozen", "frozen_base", "paper", "paper_base")
            for s in (0, 1)
            for level in LEVELS
            for i in range(6)
        ]
    )


def tables() -> dict[str, pd.DataFrame]:
    "Made-up tables of a whole run."
    epochs = [
        dict(
            method="paper",
            seed=s,
            level=level,
            epoch=e,
            split=split,
            loss=0.3 - 0.1 * e,
            accuracy=0.7 + 0.1 * e,
            cosine=0.5,
        )
        for s in (0, 1)
        for level in LEVELS
        for e in (0, 1)
        for split in ("train", "val")
    ]
    return {
        "phase1": pd.DataFrame(
            dict(
                level=[1, 2],
                n_points=[6, 3],
                k=[3, 2],
                chosen_by="silhouette",
                silhouette=0.1,
                inertia=1.0,
                smallest=1,
                largest=3,
            )
        ),
        "sweep": pd.DataFrame(
            dict(level=[1, 1, 2], k=[3, 4, 2], inertia=1.0, silhouette=[0.2, 0.1, 0.2])
        ),
        "curves": pd.DataFrame(epochs),
        "seen": seen_table(),
        "placements": placement_table(),
        "unseen": pd.DataFrame(
            [
                dict(
                    method="paper",
                    seed=s,
                    level=level,
                    stage=stage,
                    n_images=12,
                    margin=0.07,
                    contrastive_loss=0.1,
                    contrastive_accuracy=0.9,
                    cosine=0.7,
                    mean_pairwise_cosine=0.9,
                )
                for s in (0, 1)
                for level in LEVELS
                for stage in ("before", "after")
            ]
        ),
        "unseen_curves": pd.DataFrame(epochs),
    }


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    "The folder of a small run, as Phases 1 to 3 leave it, without its tables: six classes of ImageNet, two pictures each."
    home = tmp_path_factory.mktemp("home")
    rng, pictures = np.random.default_rng(0), home / "pictures"
    for split in ("train", "test"):
        for key in animals().keys[:6]:
            (pictures / split / key).mkdir(parents=True)
            for i in range(2):
                Image.fromarray(rng.integers(0, 255, (40, 40, 3), dtype=np.uint8)).save(
                    pictures / split / key / f"{i}.png"
                )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CHIP_HOME", str(home))
        (home / "data").mkdir()
        run = Run("made")
        settings = make_settings("smoke", images=str(pictures), n_seeds=2)
        save_settings(run, settings)
        scan_images(pictures, progress=False).table.to_parquet(
            run.path("pictures.parquet"), index=False
        )
        about = {
            "root": str(pictures),
            "summary": "24 pictures <script>of</script> 6 classes",
            "n_rejected": 0,
        }
        run.path("study.json").write_text(json.dumps(about))
        study = load_study(run)
        h = build_hierarchy(
            study,
            rng.normal(size=(6, 1280)),
            np.array([0, 0, 1, 1, 2, 2]),
            np.array([0, 1, 1]),
            {"encoder": "efficientnet_lite0"},
        )
        save_hierarchy(h, run.path("hierarchy.parquet"))
        h.table().to_csv(run.path("hierarchy.csv"), index=False)
        return home, run, settings, evidence.run_pictures(run, settings)


@pytest.fixture
def run(made, monkeypatch):
    "That run with whole tables. What its pictures show is computed once for all tests."
    home, run, settings, pictures = made
    monkeypatch.setenv("CHIP_HOME", str(home))
    monkeypatch.setattr(evidence, "read_studies", dict)
    for name in ("tables", "figures", "audit"):
        shutil.rmtree(run.folder / name, ignore_errors=True)
    for name, table in tables().items():
        table.to_csv(run.path("tables", f"{name}.csv"), index=False)
    shutil.copy(run.folder / "hierarchy.csv", run.path("tables", "hierarchy.csv"))
    return run, pictures


def gathered(run, pictures, released=NONE):
    return evidence.gather(run.folder, released, pictures)


def ledger(*run):
    e = gathered(*run)
    return pd.concat([audit.ledger(e), audit.answers(e)]).set_index("id")


def test_every_claim_gets_a_verdict_and_a_command(run):
    claims = ledger(*run)
    known = {*evidence.VERDICTS, *evidence.ANSWERS.values()}
    assert (
        len(claims) >= 40
        and set(claims["verdict"]) <= known
        and (claims["command"].str.len() > 5).all()
        and (claims["found"].str.len() > 10).all()
    )
    row = claims.loc["S2"]
    assert row["verdict"] != CANNOT and row["n_counts"] == "seeds" and row["n"] == 2
    assert row[["ours", "low", "high"]].tolist() == [pytest.approx(0.5)] * 3
    assert row["verdict"] == evidence.PARTLY and row["sentence"].startswith(
        "Level 1: Paper 0.511, ours 0.5"
    )
    assert claims.loc["S3", "verdict"] == evidence.CONTRADICTS
    assert "--images" in claims.loc["S1", "command"] and "6 classes" in claims.loc["S1", "setting"]
    assert "2 training pictures a class in place of 1,300" in claims.loc["S1", "settings"]
    # six classes are not the paper's 366
    assert claims.loc["P1", "verdict"] == CANNOT and claims.loc["H1", "verdict"] == CANNOT


@pytest.mark.parametrize(
    "table, column, value, claim, verdict",
    [
        ("seen", "cosine", 0.1, "S2", "not reproduced"),
        ("seen", "contrastive_loss", 0.036, "S1", "reproduced"),
        ("seen", "cosine", 0.52, "S2", "partly"),
        ("unseen", "contrastive_accuracy", 0.938, "U1", "partly"),
        ("unseen", "cosine", 0.82, "U2", "partly"),
        ("seen", "mean_pairwise_cosine", 0.5, "M1", "inconclusive"),
        ("seen", "contrastive_accuracy", 0.5, "S9", "inconclusive"),
        ("unseen", "contrastive_accuracy", 0.5, "U9", "inconclusive"),
        ("placements", "right", 0, "P4", "inconclusive"),
        ("placements", "right", 1, "P4", "reproduced"),
    ],
)
def test_a_verdict_follows_the_tables_on_disk(run, table, column, value, claim, verdict):
    pd.read_csv(run[0].path("tables", f"{table}.csv")).assign(**{column: value}).to_csv(
        run[0].path("tables", f"{table}.csv"), index=False
    )
    assert ledger(*run).loc[claim, "verdict"] == verdict


def test_comparisons_follow_the_placements(run):
    path = run[0].path("tables", "placements.csv")
    claims = ledger(*run)
    assert claims.loc["P5", "verdict"] == "no" and claims.loc["P5", "ours"] == pytest.approx(-3)
    assert claims.loc["P6", "verdict"] == "inconclusive"  # two of six by both
    t = pd.read_csv(path)
    t["right"] = [
        int(int(slug[1]) < (6 if m == "paper" else 1)) for m, slug in zip(t["method"], t["slug"])
    ]
    t.to_csv(path, index=False)
    claims = ledger(*run)
    assert claims.loc[["P5", "P6"], "verdict"].tolist() == ["yes", "reproduced"]
    assert claims.loc["P6", "low"] > 0


@pytest.mark.parametrize(
    "missing",
    [
        ["seen"],
        ["placements"],
        ["unseen", "unseen_curves"],
        ["sweep"],
        ["seen", "placements", "unseen", "unseen_curves", "sweep"],
    ],
)
def test_what_a_run_lacks_is_said(run, missing):
    for name in missing:
        run[0].path("tables", f"{name}.csv").unlink()
    claims = ledger(*run)
    needs = {
        "seen": ["S1", "S2", "S8", "S9", "M1", "M2"],
        "placements": ["P4", "P5", "P6"],
        "unseen": ["U1", "U2", "U9"],
        "unseen_curves": [],
        "sweep": [],
    }
    assert (
        all(claims.loc[claim, "verdict"] == CANNOT for name in missing for claim in needs[name])
        and claims.loc["S3", "verdict"] == evidence.CONTRADICTS
    )
    assert len(sections(*run)) > 10


def sections(run, pictures):
    e = gathered(run, pictures)
    claims, questions = audit.ledger(e), audit.answers(e)
    told = audit.headlines(claims, questions)
    return summary.summary_sections(run, e, claims, questions, told)


def test_without_the_authors_files_their_claims_say_how_to_get_them(run):
    claims = ledger(*run)
    files = claims[(claims["evidence"] == evidence.FILES) & (claims["verdict"] == CANNOT)]
    assert len(files) >= 7
    assert files.drop(["H1", "H2"])["found"].str.contains("chip fetch authors").all()


def test_what_an_untouched_run_shows_in_public_is_escaped_and_complete(run):
    page = summary.to_html(sections(*run))
    assert (
        "<script>" not in page
        and "&lt;script&gt;" in page
        and "nan" not in page.lower().replace("finance", "")
    )
    for word in (
        "Scope",
        "Results",
        "What stands out",
        "Our own questions",
        "What was easy",
        "What was hard",
        "What it cost",
        "Limitations",
        "Errata",
        "Machine Learning Reproducibility Checklist",
        "REFORMS",
    ):
        assert f">{word}" in page or word in page
    assert all(row in page for row in ("S1", "P6", "8b", "1a", ">21<"))


def authors() -> released.Authors:
    found = released.load_authors()
    if found is None or found.means is None:
        pytest.skip("../shared/data is not here")
    return found


def test_the_published_files_say_what_is_written_about_them(run):
    "The findings that other texts rely on."
    table = findings.released_findings(authors())
    e = gathered(*run, table)
    assert [e.shows("placed right", level, "mapping") for level in (1, 2)] == [1, 2]
    assert e.shows("clusters in use", 1, "dataframe") == 1
    assert e.shows("largest difference from level 0", 1) == 0
    assert min(e.shown("cosine between unseen classes")) > 0.997
    claims = audit.ledger(e).set_index("id")["verdict"]
    assert claims[["F2", "F4", "F5", "P1"]].tolist() == ["partly"] + ["not reproduced"] * 3
    assert claims[["H5", "H9"]].tolist() == ["reproduced"] * 2
    answers = audit.answers(e).set_index("id")["verdict"]
    assert answers[["F1", "M4", "M8"]].tolist() == ["no", "yes", "in part"]
    run[0].save_table(table, "released", "")
    # from a table of six digits with empty cells
    again = audit.judged_again(run[0].folder)
    there = pd.concat([audit.ledger(again), audit.answers(again)]).set_index("id")
    files = there["evidence"] == evidence.FILES
    assert files.sum() > 9 and there.loc[files, "verdict"].equals(
        pd.concat([claims, answers])[there.index[files]]
    )


def test_trained_encoders_stand_among_the_thresholds(made, monkeypatch):
    "Embeddings that Phase 2 kept, here each picture's own target: no threshold errs at level 0."
    home, run, settings, (_, without) = made
    monkeypatch.setenv("CHIP_HOME", str(home))
    targets = load_hierarchy(run.folder / "hierarchy.parquet").targets[0].astype(np.float32)
    study = load_study(run)
    own = targets[study.class_index(study.rows("test"))]
    loss = settings.loss.split("+")[0]
    path = run.path("oneshot", loss, f"seed{settings.seed}", "test.safetensors")
    save_file({"level0": own}, path)
    _, matches = evidence.run_pictures(run, settings)
    path.unlink()
    trained = matches["method"] == loss
    pd.testing.assert_frame_equal(matches[~trained].reset_index(drop=True), without)
    assert set(matches.loc[trained, "level"]) == {0} and loss not in set(without["method"])
    assert (matches.loc[trained, ["average_precision", "best_accuracy"]] == 1).all(axis=None)


def test_zeros_score_what_table_1_prints_and_no_renumbering_makes_fourteen(run):
    "Both from the authors' own arrays, here once more by hand."
    a = authors()
    loss = np.maximum(np.abs(a.means.astype(float)), 0.07).mean() / 2
    assert f"{loss:.7f}" == "0.0350007" and f"{loss:.8f}" == "0.03500075"
    e = gathered(*run, findings.released_findings(a))
    assert e.shows("number by number: loss of zeros, margin 0.07", 0) == pytest.approx(loss)
    assert f"{e.says('seen_loss', 1):.8f}" == f"{loss:.8f}"
    frames, name = ("mapping", "dataframe"), "placed right by the best renumbering"
    assert [e.shows(name, 1, frame) for frame in frames] == [10, 6]
    assert [e.shows(name, 2, frame) for frame in frames] == [9, 10]


def test_verdicts_on_the_files_follow_the_files(run):
    "Embeddings that differ, frames that fit: the same judges say the opposite."
    a, rng = authors(), np.random.default_rng(0)
    unseen = {
        level: findings.level_targets(a, level)[0][rng.integers(0, 8, 20)]
        + rng.normal(scale=1e-4, size=(20, 2048)).astype("f4")
        + 0.01 * rng.normal(size=(20, 2048)).astype("f4")
        for level in LEVELS
    }
    frames = {
        name: frame.assign(label1=frame["vector1"], label2=frame["vector2"])
        for name, frame in a.frames.items()
    }
    changed = dataclasses.replace(a, unseen=unseen, frames=frames)
    e = gathered(*run, findings.released_findings(changed))
    claims = pd.concat([audit.ledger(e), audit.answers(e)]).set_index("id")["verdict"]
    assert claims[["F1", "F2", "F4"]].tolist() == ["yes", "reproduced", "reproduced"]


def test_the_notebook_writes_the_same_tables_twice(run, tmp_path):
    "As chip run executes it: the files are there, and a second time the tables are the same bytes."
    words = (str(ROOT / "nbs" / "50_audit.ipynb"), str(tmp_path / "out.ipynb"))
    given = ("-p", "profile", "smoke", "-p", "name", "made")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    before = None
    for _ in range(2):
        done = forked(run_papermill, *words, *given, environment=environment, cwd=ROOT / "nbs")
        assert done.returncode == 0, done.stderr
        now = {p.name: p.read_bytes() for p in sorted((run[0].folder / "tables").glob("*.csv"))}
        names = ("claims", "tests", "questions", "measure", "thresholds")
        assert {f"{name}.csv" for name in names} <= set(now)
        assert before in (None, now)
        before = now
    assert {p.name for p in (run[0].folder / "audit").iterdir()} == {
        "summary.html",
        "summary.md",
        "short.md",
    } and {"measure.png", "thresholds.png"} <= {p.name for p in run[0].folder.glob("figures/*")}
    (run[0].folder / "tables" / "released.csv").touch()
    summary.clear_audit(run[0])
    assert (
        not (run[0].folder / "tables" / "claims.csv").exists()
        and (run[0].folder / "tables" / "seen.csv").exists()
    )
