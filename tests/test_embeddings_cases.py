"Embedding a table of pictures, where something is odd: lost files, damaged shards, refusing backends, Ray's errors."

import hashlib
import io
import socket
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from tqdm import tqdm

from chip.compute import backends, cache, embeddings, ray_engine
from chip.compute.backends import BackendFailed, Compute, Done, Work
from chip.compute.cache import CacheError, EmbeddingCache, cache_for, cache_table
from chip.compute.embeddings import (
    LostPictures,
    PicturesOnDisk,
    embed,
    encode,
    keep,
    load_pictures,
    lost_line,
    plan_line,
)
from chip.compute.encoders import load_encoder
from chip.compute.ray_engine import RayEncoder, check_engine, meant_by_ray, ray_cluster
from chip.data.images import UnreadableImage

CPU = Compute(device="cpu")


@pytest.fixture(scope="module")
def encoder():
    return load_encoder("efficientnet_lite0", size=64)


@pytest.fixture
def table(tmp_path: Path) -> pd.DataFrame:
    "Six pictures in a folder, one of them twice under another name."
    rng, names = np.random.default_rng(0), [f"{i}.png" for i in range(7)]
    for i in range(6):
        Image.fromarray(rng.integers(0, 256, (70 + i, 80, 3), dtype=np.uint8)).save(
            tmp_path / names[i]
        )
    (tmp_path / "6.png").write_bytes((tmp_path / "0.png").read_bytes())
    sums = [hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() for name in names]
    return pd.DataFrame({"path": names, "sha256": sums})


@pytest.fixture
def arguments(encoder, tmp_path: Path) -> dict:
    return dict(root=tmp_path, encoder=encoder, compute=CPU, cache=tmp_path / "cache")


def test_pictures_in_memory_and_on_disk(encoder, tmp_path: Path):
    "Too many for memory: the same pictures, decoded when asked for."
    pictures = torch.randint(0, 256, (5, 3, 64, 64), dtype=torch.uint8)
    paths = [tmp_path / f"{i}.png" for i in range(5)]
    for path, picture in zip(paths, pictures):
        Image.fromarray(picture.permute(1, 2, 0).numpy()).save(path)
    held, lazy = load_pictures(paths, encoder), load_pictures(paths, encoder, most=1000)
    assert isinstance(lazy, PicturesOnDisk) and len(lazy) == 5
    assert torch.equal(lazy[1:4], held[1:4]) and lazy[5:].shape == (0, 3, 64, 64)
    assert torch.equal(lazy[torch.tensor([4, 0])], held[[4, 0]])
    assert torch.equal(lazy[torch.tensor([2])], held[[2]])
    assert np.array_equal(encode(encoder, lazy, 2), encode(encoder, held, 2))
    assert str(paths[0]).encode() in lazy.identity
    paths[3].write_bytes(b"torn")
    with pytest.raises(UnreadableImage, match="3.png': not an image"):
        load_pictures(paths, encoder)


def test_an_encoder_in_training(encoder):
    assert encode(encoder, torch.zeros(0, 3, 64, 64, dtype=torch.uint8)).shape == (0, 1280)
    encoder.train()
    try:
        with pytest.raises(ValueError, match="training mode"):
            encode(encoder, torch.zeros(1, 3, 64, 64, dtype=torch.uint8))
    finally:
        encoder.eval()


def test_what_lies_ahead():
    assert (
        plan_line(10, 10, 0, None, "x")
        == "embedding 10 pictures with x; the time left is shown after the first batches"
    )
    assert (
        plan_line(475_800, 400_000, 52_000_000_000, 40.0, "resnet152")
        == "embedding 400,000 of 475,800 pictures, 52.0 GB with resnet152; about 3 hours at the last rate, 40 a second"
    )


def test_what_was_lost():
    assert (
        lost_line([(0, "a"), (1, "b")], 8, 10)
        == "2 of 10 pictures could not be embedded: a; b. The others are kept; start again when it is put right"
    )
    assert (
        "1,000 of 3,000 pictures could not be embedded: a; a; a; a; a; and 995 more. The run stopped early, as 1,000 pictures or more could not be read: 1,500 were not tried. The"
        in lost_line([(0, "a")] * 1000, 500, 3000)
    )


def test_giving_up(encoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    "The bar tells bytes; after too many losses no further batch is taken; no room for a hint does no harm."
    seen, store = io.StringIO(), EmbeddingCache(tmp_path / "e")
    work, sizes = Work("abcd", ["00" * 32] * 4, encoder.spec, 1), np.array([10, 5, 5, 10])
    batches = [
        Done((0,), np.ones((1, 3), np.float32), ()),
        Done((), np.ones((0, 3), np.float32), ((1, "gone"),)),
        Done((), np.ones((0, 3), np.float32), ((2, "gone"),)),
        None,
    ]

    def shown(**options) -> tqdm:
        return tqdm(**{**options, "delay": 0, "mininterval": 0, "file": seen})

    monkeypatch.setattr(embeddings, "GIVE_UP", 2)
    monkeypatch.setattr(embeddings, "tqdm", shown)
    lost, done = keep(iter(batches), work, store, "x", sizes * 10**8)
    assert lost == [(1, "gone"), (2, "gone")] and done == 1
    assert "3/4" in seen.getvalue() and "2.0 of 3.0 GB" in seen.getvalue()
    monkeypatch.setattr(embeddings, "_write_aside", full)
    embeddings._note_rate(store, 3.0)


def full(place: Path, payload: bytes):
    raise OSError(28, "No space left on device")


def test_from_the_cache_alone(table: pd.DataFrame, arguments: dict, tmp_path: Path):
    first = embed(table, **arguments)
    assert np.array_equal(first[0], first[6]) and not np.array_equal(first[0], first[1])
    few = embed(table.iloc[[4, 2]], **{**arguments, "cache": tmp_path / "few"})
    assert np.array_equal(few, first[[4, 2]])  # the same bits, whatever is beside them
    for path in set(table["path"]):
        (tmp_path / path).unlink()
    assert np.array_equal(embed(table, **arguments), first)
    assert np.array_equal(embed(table.iloc[::-1], **arguments), first[::-1])
    assert embed(table[:0], **arguments).shape == (0, 1280)
    with pytest.raises(
        LostPictures, match="6 of 6 pictures could not be embedded: cannot read .*0.png.*and 1 more"
    ):
        embed(table, **{**arguments, "cache": tmp_path / "other"})


def test_files_and_shards_that_go_bad(table: pd.DataFrame, arguments: dict, tmp_path: Path):
    "A file vanishes half-way, one changes, a shard is damaged: each is named, the rest is kept, and when the cause is gone the result is that of a run which never met it."
    table = table[:6]
    calm = embed(table, **{**arguments, "cache": tmp_path / "calm"})
    before = (tmp_path / "2.png").read_bytes()
    (tmp_path / "5.png").rename(tmp_path / "away")
    (tmp_path / "2.png").write_bytes((tmp_path / "3.png").read_bytes())
    with pytest.raises(
        LostPictures, match="2 of 6 .*2.png.: changed since it was listed.*5.png.: vanished"
    ):
        embed(table, **arguments)
    store = cache_for(arguments["encoder"], torch.device("cpu"), folder=tmp_path / "cache")
    assert np.flatnonzero(store.find(table["sha256"]).missing).tolist() == [2, 5]
    (tmp_path / "away").rename(tmp_path / "5.png")
    (tmp_path / "2.png").write_bytes(before)
    assert np.array_equal(embed(table, **arguments), calm)
    shard = next(store.shards())
    shard.write_bytes(shard.read_bytes()[::-1])
    with pytest.warns(UserWarning, match="damaged"):
        assert np.array_equal(embed(table, **arguments), calm)


def test_a_backend_that_refuses(
    table: pd.DataFrame, arguments: dict, monkeypatch: pytest.MonkeyPatch
):
    "It is named, and torch itself does the work; where it was asked for by name, the run ends."

    def refuses(*arguments):
        raise NotImplementedError("an operation that no one has heard of")

    monkeypatch.delenv("CHIP_BACKEND", raising=False)
    monkeypatch.setattr(backends, "openvino_network", refuses)
    monkeypatch.setattr(embeddings, "pick_backend", lambda *arguments: "openvino")
    refused = "openvino cannot take efficientnet_lite0: an operation that no one"
    with pytest.warns(UserWarning, match=f"{refused}.*; torch itself"):
        assert embed(table, **arguments).shape == (7, 1280)
    kept = cache_table(arguments["cache"])
    assert kept["images"].tolist()[0] == 6 and "eager" in kept["key"].iloc[0]
    monkeypatch.setenv("CHIP_BACKEND", "openvino")
    with pytest.raises(BackendFailed, match=refused):
        embed(table, **{**arguments, "cache": arguments["root"] / "other"})


def test_a_full_disk(table: pd.DataFrame, arguments: dict, monkeypatch: pytest.MonkeyPatch):
    "An error says so, and what was written before stays. Here a function stands for the disk."
    embed(table[:3], **arguments)
    with monkeypatch.context() as disk:
        disk.setattr(cache, "_write_aside", full)
        with pytest.raises(
            CacheError, match="no room for embeddings in .* MB free. Shards written before are kept"
        ):
            embed(table, **arguments)
    store = cache_for(arguments["encoder"], torch.device("cpu"), folder=arguments["cache"])
    assert store.find(table["sha256"]).missing.sum() == 3
    assert embed(table, **arguments).shape == (7, 1280)


@pytest.mark.parametrize("engine", ("rya", "a:b"))
def test_an_engine_that_is_none(engine: str):
    check_engine("local")
    with pytest.raises(ValueError, match="expected local, ray"):
        check_engine(engine)


def test_an_actor(encoder, table: pd.DataFrame, tmp_path: Path):
    "What an actor makes of its batches is what this machine makes of them."
    work = Work(table["path"], table["sha256"], encoder.spec, 4, str(tmp_path))
    compute = Compute(device="cpu", backend="eager")
    ours = list(backends.local_results(work, encoder, compute))
    theirs = RayEncoder(work, encoder, compute, 1).embed(range(2))
    assert [done.rows for done in theirs] == [done.rows for done in ours]
    for one, other in zip(ours, theirs):
        assert np.array_equal(one.embeddings, other.embeddings)


@pytest.mark.skipif(not find_spec("ray"), reason="ray is not installed: pip install -e '.[ray]'")
def test_no_cluster():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with (
        pytest.raises(ConnectionError, match=f"engine=127.0.0.1:{port}: there is no cluster"),
        ray_cluster(f"127.0.0.1:{port}", f"engine=127.0.0.1:{port}", "use engine=ray"),
    ):
        pass


def test_what_ray_means():
    "Ours are taken out of Ray's wrapping; anything else means that work was lost."
    for ours in (BackendFailed("openvino cannot take x: no such operation"), MemoryError("none")):
        wrapped = RuntimeError("ray::f\na page of traceback")
        wrapped.cause = ours
        assert meant_by_ray(wrapped) is ours
    gone = meant_by_ray(RuntimeError("a\n\nhead node gone\n"))
    assert isinstance(gone, ChildProcessError) and "given up (head node gone)" in str(gone)
    assert isinstance(meant_by_ray(ValueError()), ChildProcessError)
    assert ray_engine.ON_RAY > 1
