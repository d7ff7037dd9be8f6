"Embedding as it meets the world: killed processes, two at once, full disks, caches that can only be read."

import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from chip.compute import cache, embeddings, ray_engine
from chip.compute.backends import Compute, Done

CPU, RAY = Compute(device="cpu"), Compute(device="cpu", engine="ray")
ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, rng = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    for i in range(160):
        Image.fromarray(rng.integers(0, 256, (40, 44, 3), dtype=np.uint8)).save(
            folder / f"{i:03d}.png"
        )
    return folder


@pytest.fixture(scope="module")
def table(pictures: Path) -> pd.DataFrame:
    paths = sorted(pictures.glob("*.png"))
    return pd.DataFrame(
        {
            "path": [p.name for p in paths],
            "sha256": [hashlib.sha256(p.read_bytes()).hexdigest() for p in paths],
        }
    )


@pytest.fixture(scope="module")
def encoder():
    from chip.compute.encoders import load_encoder

    return load_encoder("efficientnet_lite0", size=32)


@contextlib.contextmanager
def mounted(place: Path, size: str) -> Iterator[Path]:
    "A file system in memory, of a given size; skips where none may be mounted."
    place.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(place)],
        capture_output=True,
        text=True,
    )
    if done.returncode:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def test_killed_at_random_moments(pictures: Path):
    "Whatever a kill interrupts, the result is the same to the last byte, nothing is there twice, and at most one shard is computed again; likewise where two processes fill one cache."
    from embed_killed import passed

    done = subprocess.run(
        [
            sys.executable,
            str(ROOT / "tests" / "embed_killed.py"),
            str(pictures),
            "--kills",
            "6",
            "--size",
            "32",
        ],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.stdout, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert (
        done.returncode == 0
        and passed(result, 6)
        and result["kills"] == len(result["killed_at"]) == 6
        and result["kept"] == 160
    ), result
    assert result["shard"] == 21 and max(result["killed_at"]) > 21, (
        result
    )  # not all of them before anything was kept
    for flaw in (
        {"kills": 5},
        {"kept": 159},
        {"kept_twice": 1},
        {"byte_identical": False},
        {"two_at_once": False},
        {"most_lost": 26},
    ):
        assert not passed(result | flaw, 6), flaw


def test_full_disk(
    pictures: Path, table: pd.DataFrame, encoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    "The disk fills up: an error says so, the shards before it stay, and with more room the run goes on from there."
    monkeypatch.setattr(embeddings, "SHARD", 16)
    how = dict(root=pictures, encoder=encoder, compute=CPU, progress=False)
    calm = embeddings.embed(table, cache=tmp_path / "calm", **how)
    with mounted(tmp_path / "small", "400k") as small:
        with pytest.raises(
            cache.CacheError,
            match="no room for embeddings in .* MB free. Shards written before are kept",
        ):
            embeddings.embed(table, cache=small, **how)
        kept = int(cache.cache_table(small)["images"].sum())
        assert 16 <= kept < 160 and not list(small.glob("*/*.part"))
        subprocess.run(["mount", "-o", "remount,size=8m", str(small)], check=True)
        fresh = table[cache.EmbeddingCache(next(small.glob("*"))).find(table["sha256"]).missing]
        assert len(fresh) == 160 - kept
        assert np.array_equal(embeddings.embed(table, cache=small, **how), calm)


def test_read_only_cache(pictures: Path, table: pd.DataFrame, encoder, tmp_path: Path):
    "A cache that can only be read serves what it has; for what it lacks, the error comes before the work."
    how = dict(root=pictures, encoder=encoder, compute=CPU, progress=False)
    with mounted(tmp_path / "fixed", "8m") as fixed:
        first = embeddings.embed(table[:40], cache=fixed, **how)
        subprocess.run(["mount", "-o", "remount,ro", str(fixed)], check=True)
        assert np.array_equal(embeddings.embed(table[:40], cache=fixed, **how), first)
        with pytest.raises(cache.CacheError, match="cannot be kept in .*read-only.*CHIP_HOME"):
            embeddings.embed(table, cache=fixed, **how)
        subprocess.run(["mount", "-o", "remount,rw", str(fixed)], check=True)
        assert np.array_equal(embeddings.embed(table, cache=fixed, **how)[:40], first)


def test_no_room_for_the_answer(
    pictures: Path, table: pd.DataFrame, encoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    "An answer larger than memory should hold gets its room before it is written to: a full disk is an error, not the end of the process; a cache that can only be read lends the temporary folder's."
    how = dict(root=pictures, encoder=encoder, compute=CPU, progress=False)
    with mounted(tmp_path / "small", "1200k") as small:
        first = embeddings.embed(table, cache=small, **how)
        monkeypatch.setattr(cache, "MAPPED", 8)
        assert np.array_equal(
            embeddings.embed(table, cache=small, **how), first
        )  # the temporary folder's room
        with monkeypatch.context() as full:  # and there is none there, either
            full.setattr(tempfile, "tempdir", str(small))
            with pytest.raises(
                cache.CacheError,
                match="no room for embeddings in .*: all of them in one file, .* of 0.8 MB, 0.* MB free. Shards written before are kept",
            ):
                embeddings.embed(table, cache=small, **how)
            full.delattr(os, "posix_fallocate")  # a platform that cannot reserve writes zeros
            with pytest.raises(cache.CacheError, match="no room for embeddings"):
                embeddings.embed(table, cache=small, **how)
        assert (
            len(list(small.rglob("*"))) == 3
        )  # nothing is left of it: the folder, about.json and one shard
        subprocess.run(["mount", "-o", "remount,size=8m", str(small)], check=True)
        for _again in range(2):
            mapped = embeddings.embed(table, cache=small, **how)
            assert isinstance(mapped.base, np.memmap) and np.array_equal(mapped, first)
            del mapped  # its file lies there, and keeps the file system from becoming read-only
            subprocess.run(["mount", "-o", "remount,ro", str(small)], check=True)


def test_shards_vanish_while_they_are_read(
    pictures: Path, table: pd.DataFrame, encoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    "Another process prunes the cache between looking up and reading: the embeddings are computed again."
    read, tries = cache.EmbeddingCache.read, []

    def pruned(self, found, width):
        tries.append(len(found.shards))
        if len(tries) == 1:
            cache.prune_cache(tmp_path, [self.folder.name])
        return read(self, found, width)

    monkeypatch.setattr(cache.EmbeddingCache, "read", pruned)
    first = embeddings.embed(table, pictures, encoder, CPU, cache=tmp_path, progress=False)
    assert len(tries) == 2 and first.shape == (160, 1280) and np.abs(first).sum(1).min() > 0


def test_pruning_beside_a_run(tmp_path: Path):
    "Whatever is pruned while shards are being written, neither side fails, and what is there is whole."
    store = cache.EmbeddingCache(tmp_path / "cache" / "one", {"encoder": "none"})
    ended = threading.Event()
    failed, rows = [], np.ones((4, 8), np.float32)

    def write():
        try:
            for i in range(200):
                store.put([hashlib.sha256(f"{i} {j}".encode()).hexdigest() for j in range(4)], rows)
        except Exception as error:
            failed.append(error)
        finally:
            ended.set()

    writer = threading.Thread(target=write)
    writer.start()
    while not ended.is_set():
        cache.prune_cache(tmp_path / "cache")
        cache.prune_cache(tmp_path / "cache", older=-1)
        cache.cache_table(tmp_path / "cache")
    writer.join()
    assert not failed, failed
    store.put(["00" * 32], rows[:1])
    assert store.read(store.find(["00" * 32]), 8).tolist() == [[1.0] * 8]


def test_nothing_is_reported_to_anyone(tmp_path: Path):
    "OpenVINO would note each use and send it to its makers: nothing of that is loaded, and no mark of it is left in the home folder."
    pytest.importorskip("openvino")
    code = """
import sys
import numpy as np, torch
from chip.compute.backends import openvino_network
from chip.compute.encoders import load_encoder
network = openvino_network(load_encoder("efficientnet_lite0", size=32).eval(), 2, 1)
assert network(torch.zeros(2, 32, 32, 3, dtype=torch.uint8)).shape == (2, 1280)
assert not [name for name, module in sys.modules.items() if name.startswith("openvino_telemetry") and module], "it was loaded"
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "intel").exists()


def test_weights_of_another_shape(pictures: Path, table: pd.DataFrame, tmp_path: Path):
    "Weights that do not fit are named before any work; others than before are other embeddings, and both are kept."
    import torch

    from chip.compute.encoders import load_encoder

    narrow = load_encoder("resnet18", "random", size=32)
    state = {
        name: tensor[:1] if name == "backbone.layer1.0.conv1.weight" else tensor
        for name, tensor in narrow.state_dict().items()
    }
    torch.save(
        {name.removeprefix("backbone."): tensor for name, tensor in state.items()},
        tmp_path / "w.pth",
    )
    with pytest.raises(
        ValueError, match="'layer1.0.conv1.weight' has shape .1, 64, 3, 3., expected .64, 64, 3, 3."
    ):
        load_encoder("resnet18", str(tmp_path / "w.pth"))
    how = dict(root=pictures, compute=CPU, cache=tmp_path / "cache", progress=False)
    one, two = (
        embeddings.embed(
            table[:8], encoder=load_encoder("resnet18", "random", size=32, seed=seed), **how
        )
        for seed in (0, 1)
    )
    assert not np.allclose(one, two) and cache.cache_table(tmp_path / "cache")[
        "images"
    ].tolist() == [8, 8]
    assert np.array_equal(
        embeddings.embed(table[:8], encoder=load_encoder("resnet18", "random", size=32), **how), one
    )


def watched(marks: Path, seconds: float) -> type:
    "A RayEncoder that shows in a folder what it computes and what it has computed; it takes a little longer, so that it can be met at work."

    class Watched(ray_engine.RayEncoder):
        def embed(self, batches: list[int]) -> list[Done]:
            mark = marks / "busy" / f"{os.getpid()}-{'_'.join(map(str, batches))}"
            mark.touch()
            done = ray_engine.RayEncoder.embed(self, batches)
            time.sleep(seconds)
            mark.rename(marks / "done" / mark.name)
            return done

    return Watched


@pytest.mark.ray
def test_a_worker_is_lost(
    pictures: Path, table: pd.DataFrame, encoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    "Through Ray, with a worker killed in the middle, while it computes: the bytes of the local engine, in the same cache."
    pytest.importorskip("ray", reason="ray is not installed: pip install -e '.[ray]'")
    how = dict(root=pictures, encoder=encoder, compute=CPU, progress=False)
    calm = embeddings.embed(table, cache=tmp_path / "calm", **how)
    busy, done, victims = tmp_path / "busy", tmp_path / "done", []
    busy.mkdir(), done.mkdir()

    def kill() -> None:
        while len(list(done.iterdir())) < 5:
            time.sleep(0.01)
        while not (at_work := list(busy.iterdir())):
            time.sleep(0.001)
        victims.append(at_work[0])
        os.kill(int(at_work[0].name.split("-")[0]), signal.SIGKILL)

    killer = threading.Thread(target=kill, daemon=True)
    monkeypatch.setattr(ray_engine, "RayEncoder", watched(tmp_path, 0.2))
    monkeypatch.setattr(ray_engine, "ON_RAY", 2)  # twenty pieces of two batches
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    killer.start()
    assert np.array_equal(
        embeddings.embed(table, cache=tmp_path / "ray", **{**how, "compute": RAY}), calm
    )
    killer.join(1)

    def pieces(folder):
        return [path.name.split("-")[1] for path in folder.iterdir()]

    assert len(victims) == 1 and victims[0].exists()  # it never finished what it was doing
    assert (
        victims[0].name.split("-")[1] in pieces(done) and len(set(pieces(done))) == 20
    )  # another did, and all the rest
    assert not any(
        path.name.startswith(victims[0].name.split("-")[0])
        and path.stat().st_mtime > victims[0].stat().st_mtime
        for path in done.iterdir()
    )
    assert (
        cache.cache_table(tmp_path / "ray")["key"].tolist()
        == cache.cache_table(tmp_path / "calm")["key"].tolist()
    )
    assert np.array_equal(embeddings.embed(table, cache=tmp_path / "ray", **how), calm)
    nowhere = Compute(device="cpu", engine="127.0.0.1:1")
    with pytest.raises(ConnectionError, match="engine=127.0.0.1:1: there is no cluster"):
        embeddings.embed(table[:1], cache=tmp_path / "none", **{**how, "compute": nowhere})


@pytest.mark.ray
def test_a_run_through_ray(tmp_path: Path):
    "The first phase of a small run, once on this machine and once through Ray: the same embeddings and the same tables, to the last byte."
    pytest.importorskip("ray", reason="ray is not installed: pip install -e '.[ray]'")
    from chip.compute.cache import EmbeddingCache, _keys_of

    kept, tables = [], []
    for engine in ("local", "ray"):
        home = tmp_path / engine
        (home / "data").mkdir(parents=True)
        (home / "data" / "taxonomy").symlink_to(ROOT / "data" / "taxonomy")
        code = "import sys; from pathlib import Path; import chip.running.cli; from chip.running.runs import PHASES, Phase; sys.exit(chip.running.cli.main(sys.argv[1:], phases=PHASES[:1]))"
        done = subprocess.run(
            [sys.executable, "-c", code, "run", "smoke", "-p", f"engine={engine}"],
            env={**os.environ, "CHIP_HOME": str(home), "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        store = EmbeddingCache(next((home / "data" / "cache" / "embeddings").glob("*")))
        keys = sorted(bytes(key).hex() for shard in store.shards() for key in _keys_of(shard))
        kept.append((keys, store.read(store.find(keys), 1280).tobytes()))
        tables.append(
            {
                path.name: path.read_bytes()
                for path in (home / "reports" / "smoke" / "tables").glob("*.csv")
            }
        )
    assert len(kept[0][0]) > 20 and kept[0] == kept[1]
    assert tables[0] and tables[0] == tables[1]


def test_tar_files(pictures: Path, table: pd.DataFrame, encoder, tmp_path: Path):
    "Pictures inside a tar file are found under the same content, and embedded without being unpacked."
    import tarfile

    with tarfile.open(tmp_path / "all.tar", "w") as file:
        file.add(pictures, ".")
    inside = table.assign(path="all.tar/" + table["path"])[:20]
    first = embeddings.embed(
        inside, tmp_path, encoder, CPU, cache=tmp_path / "cache", progress=False
    )
    assert len(first) == 20 and np.array_equal(
        embeddings.embed(
            table[:20],
            pictures / "gone",
            encoder,
            CPU,
            cache=tmp_path / "cache",
            progress=False,
        ),
        first,
    )
