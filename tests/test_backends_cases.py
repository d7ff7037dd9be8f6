"Networks made fast and work cut into batches, where something is odd: memory, files, processes, compilers."

import errno
import hashlib
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from chip.compute import backends
from chip.compute.backends import (
    BackendFailed,
    Work,
    batch_shape,
    by_halves,
    devices_for,
    fold_batch_norms,
    in_order,
    naming_lost_workers,
    on_gpus,
    on_processor,
    pick_backend,
    ready,
)
from chip.compute.encoders import load_encoder, one_thread_each

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


@pytest.fixture(scope="module")
def encoder():
    return load_encoder("efficientnet_lite0", size=64)


@pytest.fixture
def files(tmp_path: Path) -> tuple[list[str], list[str]]:
    "Seven files with noise in them, and their hashes."
    rng, paths = np.random.default_rng(0), [str(tmp_path / f"{i}.png") for i in range(7)]
    for i, path in enumerate(paths):
        Image.fromarray(rng.integers(0, 256, (70 + i, 80, 3), dtype=np.uint8)).save(path)
    return paths, [hashlib.sha256(Path(path).read_bytes()).hexdigest() for path in paths]


class Shared(torch.nn.Module):
    "One convolution, two norms: nothing to fold."

    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 4, 3)
        self.a, self.b = torch.nn.BatchNorm2d(4), torch.nn.BatchNorm2d(4)
        self.b.running_mean.fill_(1.0)

    def forward(self, x):
        y = self.conv(x)
        return (self.a(y) + self.b(y)).mean((2, 3))


def test_a_convolution_with_two_norms_is_not_folded():
    network, noise = Shared().eval(), torch.randn(1, 3, 64, 64)
    assert torch.equal(fold_batch_norms(network, noise)(noise), network(noise))


def test_out_of_memory():
    def runs_out(pictures):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    with pytest.raises(
        MemoryError, match="not even one picture fits into memory: CUDA out of memory"
    ):
        by_halves(runs_out, torch.zeros(13, 1))
    with pytest.raises(RuntimeError, match="shapes"):  # other errors stay what they are
        by_halves(lambda pictures: torch.zeros(2, 3) @ pictures, torch.zeros(5, 5))


def test_which_backend(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("CHIP_BACKEND", raising=False)
    assert pick_backend(CPU, "bf16", 10**6) == pick_backend(CPU, n=10) == "eager"
    assert pick_backend(CUDA, n=10**6) == "compile" and pick_backend(CUDA, n=10) == "eager"
    assert batch_shape(CUDA, 64) == 64 and batch_shape(CPU, 64) == batch_shape(CPU)
    monkeypatch.setattr(backends, "find_spec", lambda name: None)
    assert pick_backend(CPU, n=10**6) == "eager"
    monkeypatch.setattr(backends, "find_spec", lambda name: name)
    assert pick_backend(CPU, n=10**6) == "openvino" and pick_backend(CPU, n=10) == "eager"
    monkeypatch.setenv("CHIP_BACKEND", "eager")
    assert pick_backend(CPU, n=10**6) == pick_backend(CUDA, n=10**6) == "eager"
    monkeypatch.setenv("CHIP_BACKEND", "compile")
    with pytest.raises(ValueError, match="CHIP_BACKEND=compile: there is eager, openvino on this"):
        pick_backend(CPU)
    assert devices_for(CPU) == [CPU]
    assert devices_for(torch.device("cuda:1")) == [torch.device("cuda:1")]


def test_a_compiler_that_fails(encoder, monkeypatch: pytest.MonkeyPatch):
    "What torch.compile makes is tried on one batch; what it cannot take is named."
    monkeypatch.setattr(torch, "compile", lambda model: model)
    some = torch.zeros(2, 64, 64, 3, dtype=torch.uint8)
    plain = ready(encoder, CPU, batch=2)(some)
    assert torch.equal(ready(encoder, CPU, batch=2, backend="compile")(some), plain)

    def breaks(pictures):
        raise NotImplementedError("no such operation\nand a page more")

    monkeypatch.setattr(torch, "compile", lambda model: breaks)
    monkeypatch.setattr(
        backends, "FromBytes", lambda encoder: torch.nn.Identity()
    )  # nothing to prepare
    with pytest.raises(BackendFailed, match="compile cannot take efficientnet_lite0: no such op"):
        ready(encoder, CPU, backend="compile")


def test_file_names_of_every_kind():
    "Names are bytes: letters of other scripts, none at all, what no encoding knows, very long ones."
    for names in (
        ["a", "ü/b.jpg", os.fsdecode(b"\xff.jpg")],
        ["", ""],
        ["x"] * 8191 + ["", "é" * 2000, "y"],
        [],
    ):
        work = Work(names, ["00" * 32] * len(names), None, 4)
        assert [work.path(i) for i in range(len(names))] == names
        assert len(work.paths) == len(names) and len(work) == -(-len(names) // 4)
    with pytest.raises(IndexError):
        work[0]


def test_files_that_change_and_vanish(encoder, files):
    "One that is not what it was and one that is gone are named; the others have the same bits as without them."
    paths, keys = files
    work, network = Work(paths, keys, encoder.spec, 4), ready(encoder, CPU)
    done = list(on_processor(work, network, 3))
    Path(paths[1]).write_bytes(Path(paths[0]).read_bytes())
    Path(paths[5]).unlink()
    hurt = list(on_processor(work, network, 2))
    assert [d.rows for d in hurt] == [(0, 2, 3), (4, 6)]
    assert [row for d in hurt for row, _ in d.lost] == [1, 5]
    assert "changed since it was listed" in hurt[0].lost[0][1]
    assert "5.png': vanished" in hurt[1].lost[0][1]
    assert np.array_equal(hurt[0].embeddings, done[0].embeddings[[0, 2, 3]])


def test_nothing_is_begun_that_no_one_waits_for():
    calls = []
    with ThreadPoolExecutor(2) as pool:
        results = in_order(pool, calls.append, range(1000), 4)
        next(results)
        results.close()
    assert len(calls) < 10


@pytest.mark.parametrize("workers", (0, 1))
def test_what_gpus_are_fed_with(encoder, files, workers: int):
    "Tried on the processor, with two networks in turn."
    work, network = Work(*files, encoder.spec, 4), ready(encoder, CPU)
    with one_thread_each():
        fed = list(on_gpus(work, [network, network], workers))
    for ours, other in zip(on_processor(work, network, 3), fed, strict=True):
        assert ours.rows == other.rows and np.array_equal(ours.embeddings, other.embeddings)


class Deadly(Work):
    "The fourth picture is the death of the process that reads it."

    def read(self, row):
        if row == 3:
            os.kill(os.getpid(), 9)
        return super().read(row)


def raised(error: Exception):
    raise error


LOST = "a process that decodes pictures was lost .*kept: start again, with fewer"


def test_a_decoding_process_dies(encoder, files):
    work, network = Deadly(*files, encoder.spec, 1), lambda pictures: pictures.float().mean((1, 2))
    with pytest.raises(ChildProcessError, match=LOST):
        naming_lost_workers(lambda: list(on_gpus(work, [network], 1)))
    time.sleep(0.1)  # nothing strikes later


@pytest.mark.parametrize(
    "error, reason",
    (
        (
            RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed. "),
            "DataLoader worker .pid 7. is killed by signal: Killed",
        ),
        (ConnectionResetError(errno.ECONNRESET, "reset"), ".Errno 104. reset"),
        (EOFError(), "EOFError"),
    ),
)
def test_how_a_lost_process_shows(error: Exception, reason: str):
    with pytest.raises(ChildProcessError, match=rf"lost \({reason}\): killed"):
        naming_lost_workers(lambda: raised(error))


@pytest.mark.parametrize("after", (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1))
def test_torch_reports_from_a_signal_while_the_broken_connection_is_caught(after: float):
    def strike(*_):
        raise RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed. ")

    def call():
        signal.setitimer(signal.ITIMER_REAL, after)
        raise ConnectionResetError(errno.ECONNRESET, "reset")

    before = signal.signal(signal.SIGALRM, strike)
    try:
        with pytest.raises(ChildProcessError, match="lost .DataLoader worker .pid 7. is killed"):
            naming_lost_workers(call)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("text", ("other", "Caught RuntimeError in DataLoader worker process 0."))
def test_other_errors_stay_what_they_are(text: str):
    with pytest.raises(RuntimeError, match=f"^{text}"):
        naming_lost_workers(lambda: raised(RuntimeError(text)))
