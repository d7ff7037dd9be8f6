"Phase 1 from outside: sweeps that are killed or interrupted, threads beside torch, given clusters, and what a run refuses."

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import papermill
import pytest

ROOT = Path(__file__).resolve().parent.parent
AUTHORS = ROOT.parent / "shared" / "data" / "authors"

SWEEP = """
import numpy as np, sys
from pathlib import Path
from chip.compute.clusterers import synthetic_means
from chip.compute.k_sweep import SweepSettings, sweep_k
points = synthetic_means(300, 400)
print("begin", flush=True)
sweep_k(points, range(20, 121), SweepSettings(40, jobs=2, keep=Path(sys.argv[1])))
print("end", flush=True)
"""


def python(code: str, *arguments: str, **more) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
        **more,
    )


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_broken_off_sweep_keeps_what_it_finished(tmp_path: Path, how: signal.Signals):
    from chip.compute.clusterers import synthetic_means
    from chip.compute.k_sweep import KeptSweep, SweepSettings, sweep_k

    kept = tmp_path / "sweep.parquet"
    child = python(SWEEP, str(kept), stderr=subprocess.DEVNULL)
    until = time.monotonic() + 120
    while not kept.exists() and time.monotonic() < until:
        time.sleep(0.05)
    child.send_signal(how)
    assert child.wait(180) != 0 and "end" not in child.stdout.read()
    points = synthetic_means(300, 400)
    done = KeptSweep(kept, points, "kmeans", 40, 0).rows
    assert 0 < len(done) < 101
    assert not list(tmp_path.glob(".sweep*")) or how == signal.SIGKILL
    table = sweep_k(points, range(20, 25), SweepSettings(40, keep=kept))
    fresh = sweep_k(points, range(20, 25), SweepSettings(40))
    pd.testing.assert_frame_equal(table, fresh)


def test_threads_beside_torch_do_not_hang():
    code = """
import torch, numpy as np
torch.set_num_threads(2)
x = torch.randn(600, 600); x = (x @ x).relu() @ x
from chip.compute.clusterers import synthetic_means
from chip.compute.k_sweep import SweepSettings, sweep_k
t = sweep_k(synthetic_means(120, 60), range(5, 31), SweepSettings(3))
y = (x @ x).sum()
print(len(t))
"""
    assert python(code).communicate(timeout=120)[0].strip() == "26"


def test_plain_and_ours_on_the_same_points():
    from chip.compute.clusterers import synthetic_means
    from chip.running.bench.hierarchy import compare_sweeps, our_sweep, plain_sweep

    points, ks = synthetic_means(200, 300), range(20, 60, 8)
    assert (
        compare_sweeps(plain_sweep(points, ks, restarts=10), our_sweep(points, ks))["k_worse"] == 0
    )


@pytest.mark.skipif(not AUTHORS.is_dir(), reason="the authors' arrays are not beside the project")
def test_authors_fits_are_reached():
    from chip.compute.clusterers import KMeansStarts, centroids, inertia
    from chip.compute.silhouette import mean_silhouette
    from chip.studies.choice_of_k import single_starts

    with np.load(AUTHORS / "level0_means.npz") as a:
        means = a["mean"]
    theirs = {}
    for k in (88, 8):
        with np.load(AUTHORS / f"kmeans_k{k}.npz") as a:
            theirs[k] = a["labels"]
    centres = centroids(means, theirs[88])
    assert (
        abs(inertia(means, theirs[88]) - 1.4260) < 1e-4
        and abs(mean_silhouette(means, theirs[88]) - 0.1413) < 1e-4
    )
    ours = KMeansStarts(means, 5, 0)(88)
    assert inertia(means, ours) < inertia(means, theirs[88])
    assert mean_silhouette(means, ours) > mean_silhouette(means, theirs[88])
    starts = single_starts(centres, [8], 1000, seed=1)[8]
    best = starts.labels[starts.inertia.argmin()].astype(int)
    assert inertia(centres, best) <= inertia(centres, theirs[8])
    assert mean_silhouette(centres, best) >= mean_silhouette(centres, theirs[8])


def run_phase1(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **parameters) -> Path:
    "Executes the notebook of Phase 1 in a folder of its own; returns the run's folder."
    monkeypatch.setenv("CHIP_HOME", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("CHIP_PROFILE", "smoke")
    papermill.execute_notebook(
        str(ROOT / "nbs" / "10_hierarchy.ipynb"),
        str(tmp_path / "out.ipynb"),
        parameters={"name": "one", **parameters},
        cwd=str(ROOT / "nbs"),
        progress_bar=False,
        kernel_name="python3",
    )
    return tmp_path / "data" / "runs" / "one"


def test_a_run_with_another_pooling_and_clusterer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from chip.hierarchy import load_hierarchy

    folder = run_phase1(
        tmp_path, monkeypatch, pooling="majority", clusterer="ward", encoder="efficientnet_lite0"
    )
    h = load_hierarchy(folder / "hierarchy.parquet")
    assert h.about["pooling"] == "majority" and h.about["clusterer"] == "ward" and len(h.keys) == 16
    assert set(pd.read_csv(folder / "tables" / "sweep.csv")["level"]) == {1, 2}
    assert not list(folder.glob("sweep_level*"))


@pytest.mark.parametrize(
    "parameters, message",
    [
        ({"clusterer": "kmean"}, "did you mean kmeans"),
        ({"pooling": "median"}, "expected one of mean, majority, successive"),
        ({"k1_min": 9, "k1_max": 5}, "k1_min=9 is above k1_max=5"),
        ({"k1_max": 40}, "between 2 and 15"),
    ],
)
def test_what_phase_1_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, parameters: dict, message: str
):
    with pytest.raises(papermill.PapermillExecutionError, match=message):
        run_phase1(tmp_path, monkeypatch, **parameters)
