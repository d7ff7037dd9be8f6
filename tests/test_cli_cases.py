"The command line from inside: what its words mean, what it refuses, what it prints."

import argparse
import errno
import signal
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from chip.core.settings import Run, make_settings
from chip.running.cli import (
    COMMANDS,
    _parse,
    cache_lines,
    main,
    parse_parameters,
    profile_lines,
    settings_and_run,
)
from chip.running.runs import Refused

MISUSES = {
    "rnu": "did you mean 'run'",
    "": "there is no command",
    "run dmeo": "did you mean 'demo'",
    "run -p epoch=3": "did you mean 'epochs'",
    "run -p epochs": "expected NAME=VALUE",
    "run -p epochs=lots": "epochs=lots: expected a whole number from 1 to 10000",
    "run -p epochs=0": "epochs=0: expected a whole number from 1",
    "run -p epochs=1 -p epochs=2": "given twice",
    "run --name a/b": "letters, digits",
    "run --imgaes x": "did you mean '--images'",
    "run demo smoke": "'smoke' is not understood",
    "run photos": "--images DIR",
    "run photos --images /no/where": "no such folder",
    "run photos --images empty": "is empty",
    "run -p": "expected one argument",
    "run --images a -p images=b": "given twice",
    "report none": "there is no run 'none'",
    "report": "NAME",
    "run -p profile=demo": "without -p",
    "profiles x": "'x' is not understood",
    "fetch": "NAME",
    "fetch auhtors": "did you mean 'authors'",
    "run -p k1_min=9 -p k1_max=8": "swap them",
    "run --name a --name b": "given twice, a and b",
    "run --settings none.yaml": "no such file",
    "profiles --yaml dmeo": "did you mean 'demo'",
    "sweep": "which profile",
    "sweep smoke": "use chip run",
    "sweep smoke -p seed=3": "use chip run",
    "sweep smkoe -p seed=0..4": "did you mean 'smoke'",
    "sweep smoke -p sede=0..4": "did you mean 'seed'",
    "sweep smoke -p seed=4..0": "runs downwards",
    "sweep smoke -p seed=0..2,1": "1 stands there twice",
    "sweep smoke -p lr=0.1,lots": "lr=lots: expected a number",
    "sweep smoke -p m_families=8,20": "at the point m_families=20",
    "sweep smoke -p seed=0..4000": "give --yes",
    "sweep smoke -p seed=0,1 -p n_seeds=3": "n_seeds=3 repeats",
    "sweep smoke -p seed=0..4 --jobs 0": "at least one point",
    "sweep smoke -p seed=0..4 --jobs two": "invalid int",
    "sweep smoke -p seed=0..4 --retries -1": "expected 0 or more",
    "sweep smoke -p seed=0..4 --images": "expected one argument",
    "sweep smoke -p seed=0..4 --nmae x": "did you mean '--name'",
    "sweep photos -p seed=0..4": "--images DIR",
    "cache --older -1": "expected a number of days",
    "cache --remove x": "holds nothing by the name 'x'",
    "cache x": "'x' is not understood",
    "run --ray nonsense": "engine=nonsense: expected local, ray",
    "run --ray local -p engine=ray": "given twice",
    "compare": "RUN",
    "compare demo": "needs two",
    "compare demo demo": "given twice",
    "compare demo none": "there is no run 'demo'",
    "bench embde": "did you mean 'embed'",
    "bench embed --image 3": "did you mean '--images'",
    "bench embed --images 0": "expected 1 or more",
    "bench embed --sizes 3": "only to growth",
    "bench growth --sizes 10,x": "whole numbers from 1",
    "bench embed --encoder resnet51": "did you mean 'resnet5",
    "bench train --encoder resnet18,resnet50": "takes one encoder",
    "bench embed --size 8": "at least 32 pixels",
    "bench embed --device cuda:99": "shows",
    "bench growth --folder /no/where": "no such folder",
    "bench embed --csv empty": "expected a file to write",
    "bench agreement --images 3": "says nothing to the benchmark 'agreement'",
}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("CHIP_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("words", MISUSES)
def test_misuses(home: Path, capsys: pytest.CaptureFixture[str], words: str):
    status, told = main(words.split(" ")), capsys.readouterr().err
    assert status == 2 and told.startswith("chip: error: ") and told.count("\n") == 1
    assert MISUSES[words] in told
    assert [path.name for path in home.iterdir()] == ["empty"]


@pytest.mark.parametrize(
    "words, says",
    [
        (["epochs"], "expected NAME=VALUE"),
        (["=3"], "expected NAME=VALUE"),
        (["profile=demo"], "chip run demo"),
        (["name=x"], "--name x"),
        (["epochs=1", "epochs=2"], "given twice, 1 and 2"),
    ],
)
def test_parameters_that_are_refused(words: list[str], says: str):
    with pytest.raises(Refused, match=says):
        parse_parameters(words)


def test_a_file_that_looks_like_an_option(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "-cat.jpg").touch()
    (tmp_path / "--each").touch()  # an option all the same
    assert main(["place", "-cat.jpg"]) == 2 and "'./-cat.jpg'" in capsys.readouterr().err
    assert main(["place", "--each", "folder", "--", "-cat.jpg"]) == 1
    assert "-cat.jpg: empty" in capsys.readouterr().err


def test_a_full_disk_and_the_signals_at_the_end(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    heeded = []

    def call(arguments: argparse.Namespace) -> None:
        heeded.append(signal.getsignal(signal.SIGHUP))
        signal.signal(signal.SIGINT, heeded.append)  # put back at the end
        raise OSError(errno.ENOSPC, "No space left on device", "a.csv")

    before = signal.getsignal(signal.SIGINT)
    monkeypatch.setitem(COMMANDS["cache"]._defaults, "call", call)
    hang_up = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        assert main(["cache"]) == 1
    finally:
        signal.signal(signal.SIGHUP, hang_up)
    assert "a.csv: No space left on device; make room" in capsys.readouterr().err
    assert heeded == [signal.SIG_IGN] and signal.getsignal(signal.SIGINT) == before


def test_what_is_interrupted_ends_in_peace(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    def call(arguments: argparse.Namespace) -> None:
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            signal.raise_signal(signal.SIGTERM)
            print("all put away")

    monkeypatch.setitem(COMMANDS["cache"]._defaults, "call", call)
    assert main(["cache"]) == 130
    told = capsys.readouterr()
    assert "all put away" in told.out and told.err == "chip: interrupted\n"  # nothing to carry on


def test_a_benchmark_writes_over_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("chip.running.cli.run_bench", lambda *files, **options: measured.append(1))
    measured: list[int] = []
    Path("notes.md").write_text("mine")
    refused = (
        ["--csv", "notes.csv"],
        ["--json", "notes.md"],
        ["--json", "a", "--csv", "a"],
        ["--csv", "a.md"],
    )
    for words in refused:
        assert main(["bench", "hierarchy", *words]) == 2 and not measured
    assert "notes.md exists" in capsys.readouterr().err
    assert main(["bench", "hierarchy", "--csv", "notes.csv", "--overwrite"]) == 0 and measured


def test_windows_is_told_what_it_lacks(home: Path, capsys: pytest.CaptureFixture[str]):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("chip.running.cli.os", SimpleNamespace(name="nt"))
        assert main(["sweep", "smoke", "-p", "seed=0,1"]) == 2
    assert "needs signals that Windows lacks" in capsys.readouterr().err


def test_cache(home: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["cache"]) == 0
    assert capsys.readouterr().out.endswith("0 combinations, 0 embeddings, 0.0 MB\n")
    assert main(["cache", "--prune"]) == 0
    assert capsys.readouterr().out.endswith("0 files removed, 0.0 MB\n")
    made = {"encoder": "resnet152", "size": 224, "precision": "bf16", "device": "cuda"}
    made |= {"weights": "w", "view": "", "backend": "graph", "used": 0.0}
    table = pd.DataFrame(
        {"key": key, "images": n, "mb": n / 100, **made}
        for key, n in (("small", 10), ("large", 5000))
    )
    lines = cache_lines(table, 2 * 86_400)
    assert lines[:2] == [
        "large",
        "    resnet152: 5,000 images, 50.0 MB, 224 pixels, bf16, cuda, graph; last written 2 days ago",
    ]
    assert lines[-1].startswith("2 combinations, 5,010")


def test_profiles(home: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["profiles"]) == 0
    told = capsys.readouterr().out
    for part in ("epochs", "efficientnet_lite0", "from 1 to 10000", "Adam's learning rate"):
        assert part in told
    assert max(map(len, profile_lines(80))) <= 80


def test_settings_from_a_file(home: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["profiles", "--yaml", "smoke"]) == 0
    (home / "s.yaml").write_text(capsys.readouterr().out)

    def asked(words: str):
        return settings_and_run(_parse(["run", *words.split()]))

    same = (make_settings("smoke"), Run("smoke"))
    for words in ("smoke", "--settings s.yaml", "smoke --settings s.yaml -p epochs=2"):
        assert asked(words) == same
    other = asked("--settings s.yaml -p epochs=9 --name x")
    assert other == (make_settings("smoke", epochs=9), Run("x"))
    assert asked("--settings s.yaml -p preset=paper")[0].epochs == 21
