"Benchmarks from inside: what is refused, unreadable pictures, processes that fail, results kept."

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from chip.compute.clusterers import synthetic_means
from chip.data.images import UnreadableImage
from chip.running.bench.embed import agrees, bench_agreement, bench_growth, pictures_below
from chip.running.bench.registry import benchmark, check_options, run_bench
from chip.running.bench.sweep import bench_sweep, grid, timed
from chip.running.bench.train import STEP_WAYS, step_row
from chip.running.bench.turns import in_own_process
from chip.running.runs import Refused


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


@pytest.mark.parametrize("n", [0, 6])
def test_grids_of_the_sweep(n: int):
    with pytest.raises(Refused, match=f"--points {n}: expected a multiple of 4"):
        grid(n)
    with pytest.raises(Refused, match="multiple of 4"):
        bench_sweep(n)


def test_commands_that_fail_or_leave_other_tables(tmp_path: Path):
    with pytest.raises(RuntimeError, match="wrong: .*no more"):
        timed("wrong", python("raise SystemExit('no more')"), tmp_path / "a")
    code = """import os, sys; from pathlib import Path
folder = Path(os.environ['CHIP_HOME'], 'reports', 'bench'); folder.mkdir(parents=True)
(folder / 'results.csv').write_text(sys.argv[-1])"""
    with pytest.raises(RuntimeError, match="^two at a time leaves other tables"):
        bench_sweep(4, python(code))


def test_a_process_of_its_own():
    row = in_own_process("turns.medians", [{"way": "a", "seconds": 1}, {"way": "a", "seconds": 3}])
    assert row == {"a": 2}
    with pytest.raises(RuntimeError, match=r"(?s)turns.medians.* ended with status 1: .*TypeError"):
        in_own_process("turns.medians")


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    for group, n in (("a", 2), ("b", 3)):
        (tmp_path / group).mkdir()
        for i in range(n):
            noise = np.random.default_rng(i + 10 * n).integers(0, 256, (70, 90, 3), np.uint8)
            Image.fromarray(noise).save(tmp_path / group / f"{i}.png")
    (tmp_path / "b" / "again.png").write_bytes((tmp_path / "a" / "0.png").read_bytes())
    return tmp_path


def test_pictures_below_a_folder(pictures: Path):
    assert {name: len(paths) for name, paths in pictures_below(str(pictures)).items()} == {
        "a": 2,
        "b": 3,  # the same content twice counts once
    }
    with pytest.raises(FileNotFoundError, match="no JPEG or PNG file below"):
        pictures_below(str(pictures / "c"))
    Image.new("RGB", (70, 90)).save(pictures / "lone.png")
    assert list(pictures_below(str(pictures))) == ["a", "b", "."]
    (pictures / "b" / "cut.jpg").write_bytes(b"\xff\xd8\xff")
    with pytest.raises(UnreadableImage, match="cut.jpg"):
        pictures_below(str(pictures))


def test_agreement_counts_each_picture_once(pictures: Path):
    rows = bench_agreement(str(pictures), size=64)["rows"]
    assert [(row["pictures"], row["images"], row["targets"]) for row in rows] == [
        ("a", 2, 1000),
        ("b", 3, 1000),
        ("all", 5, 1000),
    ]


def test_steps_in_the_plain_layout():
    row = step_row(next(iter(STEP_WAYS)), 32, 4, 2, "timm:test_resnet", "cpu")
    assert row["images_per_second"] > 0 and row["way"] == "torch's layout"


def test_growth_uses_pictures_again(tmp_path: Path, capsys: pytest.CaptureFixture):
    rows = bench_growth((5, 20), str(tmp_path))["rows"]
    assert [row["images"] for row in rows] == [5, 20]
    assert "growth: 20 pictures in" in capsys.readouterr().err
    assert len(list(tmp_path.rglob("*.jpg"))) == 20


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("embed", {"images": 0}, "--images 0: expected 1 or more"),
        ("embed", {"sizes": "3"}, "only to growth"),
        ("growth", {"sizes": "10,x"}, "whole numbers from 1"),
        ("growth", {"sizes": "10,0"}, "whole numbers from 1"),
        ("growth", {"folder": "/no/where"}, "no such folder"),
        ("embed", {"encoder": "resnet51"}, "did you mean 'resnet5"),
        ("train", {"encoder": "resnet18,resnet50"}, "takes one encoder"),
        ("embed", {"size": 8}, "at least 32 pixels"),
        ("embed", {"device": "cuda:99"}, "shows"),
    ],
)
def test_options_that_are_refused(name: str, options: dict, message: str):
    with pytest.raises(Refused, match=message):
        check_options(name, options)


def test_a_benchmark_that_there_is_not():
    with pytest.raises(ValueError, match="no benchmark 'hierarchies': expected one of hierarchy"):
        benchmark("hierarchies")


def test_results_are_printed_and_kept(tmp_path: Path, capsys: pytest.CaptureFixture):
    path = tmp_path / "new" / "b.json"
    options = {"k_min": 4, "k_max": 12, "step": 4, "rounds": 1, "points": synthetic_means(60, 32)}
    result = run_bench("hierarchy", path, **options)
    assert json.loads(path.read_text())["ratio"] == result["ratio"]
    assert "times as fast as the plain way (medians), on " in capsys.readouterr().out
    run_bench(
        "embed", None, tmp_path / "e.csv", images=4, rounds=1, size=32, encoder="efficientnet_lite0"
    )
    out = capsys.readouterr().out
    assert "over timm-style" in out and "embed: " in out
    assert set(pd.read_csv(tmp_path / "e.csv")["way"]) >= {"plain", "timm-style", "ours"}


def test_one_of_a_few_pictures_may_lie_between_two_targets():
    one = {"smallest_cosine": 0.99999, "same_nearest": 127 / 128, "images": 128}
    assert agrees(one, ties=1) and not agrees(one)
    assert not agrees({**one, "same_nearest": 126 / 128}, ties=1)
    assert not agrees({**one, "smallest_cosine": 0.9}, ties=1)
    assert agrees({"smallest_cosine": 1.0, "same_nearest": 0.9995})
