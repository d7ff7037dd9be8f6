"The cache of embeddings, where something is odd: damage, full and closed disks, pruning beside writing."

import contextlib
import hashlib
import json
import os
import random
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from chip.compute import cache
from chip.compute.cache import (
    CacheError,
    EmbeddingCache,
    cache_for,
    cache_table,
    digests,
    prune_cache,
    room_for,
)
from chip.compute.encoders import load_encoder

CPU = torch.device("cpu")
KEYS = [hashlib.sha256(bytes([i])).hexdigest() for i in range(4)]
ROWS = np.arange(12, dtype=np.float32).reshape(4, 3)


@pytest.fixture(scope="module")
def encoder():
    return load_encoder("efficientnet_lite0", size=64)


@pytest.fixture
def store(tmp_path: Path) -> EmbeddingCache:
    "Four embeddings in two shards."
    store = EmbeddingCache(tmp_path / "e", {"encoder": "none"})
    store.put(KEYS[:3], ROWS[:3], ["a", "b", "c"])
    store.put(KEYS[3:], ROWS[3:])
    return store


def test_room_in_memory_and_in_a_file(tmp_path: Path):
    with (tmp_path / "reserved").open("wb") as file:
        cache._reserve(file, 3 * 2**12)
    assert (tmp_path / "reserved").stat().st_size == 3 * 2**12
    small = room_for((2, 3), tmp_path)
    large = room_for((cache.MAPPED // 4 // 8 + 1, 8), tmp_path / "not" / "yet")
    assert not isinstance(small.base, np.memmap) and isinstance(large.base, np.memmap)
    assert not small.any() and small.shape == (2, 3) and not large.any()
    large[-1] = 1
    assert large[-1].sum() == 8 and [p.name for p in tmp_path.iterdir()] == ["reserved"]


@pytest.mark.parametrize("key", ("ab" * 33, "ab" * 31, "xy" * 32, None, float("nan")))
def test_what_is_no_hash(key):
    with pytest.raises(ValueError, match="is no SHA-256 sum"):
        digests(["00" * 32, key])


def test_hashes_keep_their_zeros():
    sums = ["00" * 32, "ff" * 31 + "00", hashlib.sha256(b"").hexdigest()] * 4000
    assert [row.tobytes().hex() for row in digests(sums)] == sums
    assert digests([]).shape == (0,)


def test_what_is_there_and_what_is_not(store: EmbeddingCache):
    assert np.array_equal(store.read(store.find(KEYS), 3), ROWS)
    assert store.find(["00" * 32]).missing.all() and store.find([]).missing.shape == (0,)
    assert store.read(store.find([]), 3).shape == (0, 3)
    with pytest.raises(ValueError, match="holds embeddings of 3 numbers, expected 4"):
        store.read(store.find(KEYS), 4)
    assert json.loads((store.folder / "about.json").read_text()) == {"encoder": "none"}
    assert not list(store.folder.glob("*.part"))
    store.put([], ROWS[:0])
    assert len(list(store.shards())) == 2


def test_more_than_memory_should_hold(store: EmbeddingCache, monkeypatch: pytest.MonkeyPatch):
    keys = [KEYS[3], "00" * 32, KEYS[0], KEYS[3]]
    plain = store.read(store.find(keys), 3)
    monkeypatch.setattr(cache, "MAPPED", 8)
    mapped = store.read(store.find(keys), 3)
    assert isinstance(mapped.base, np.memmap) and np.array_equal(mapped, plain)
    assert np.array_equal(mapped[2], ROWS[0])


def test_a_damaged_shard_is_set_aside(store: EmbeddingCache):
    shard = next(store.shards())
    shard.write_bytes(shard.read_bytes()[:-3])
    with pytest.warns(UserWarning, match="is damaged and was set aside"):
        kept = store.find(KEYS)
    assert 0 < (~kept.missing).sum() < 4 and len(list(store.shards())) == 1


def test_a_file_where_the_folder_should_be(tmp_path: Path):
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file" / "e", tmp_path / "file"):
        with pytest.raises(CacheError, match="embeddings cannot be kept in "):
            EmbeddingCache(place).put(KEYS, ROWS)
    with pytest.raises(CacheError, match="cannot be kept in .*CHIP_HOME"):
        EmbeddingCache(tmp_path / "file" / "e").prepare()


def test_other_code_that_decodes_has_another_folder(encoder, monkeypatch: pytest.MonkeyPatch):
    folder = cache_for(encoder, CPU).folder
    with monkeypatch.context() as other:
        other.setattr(cache, "_PIXELS", "2, Pillow 99")
        assert cache_for(encoder, CPU).folder != folder
        assert cache_for(encoder, CPU).about["transform"]["pixels"] == "2, Pillow 99"
    assert cache_for(encoder, CPU).folder == folder


def test_what_is_pruned(encoder, tmp_path: Path):
    "Leftovers by their age, combinations by name and age; what is being written stays, and so does its folder."
    store = cache_for(encoder, CPU, folder=tmp_path)
    older = {**store.about, "transform": {**store.about["transform"], "view": "mirror"}}
    stores = [store, EmbeddingCache(tmp_path / f"{store.folder.name}-mirror", older)]
    for store in stores:
        store.put(KEYS, ROWS)
    table, folder = cache_table(tmp_path), stores[0].folder
    assert table["images"].tolist() == [4, 4] and set(table["view"]) == {"", "mirror"}
    assert set(table["encoder"]) == {"efficientnet_lite0"} and set(table["size"]) == {64}
    for name, age in (("old.part", 2), ("new.part", 0), ("x.damaged", 0)):
        (folder / name).write_bytes(b"....")
        os.utime(folder / name, (time.time() - age * 86_400,) * 2)
    assert prune_cache(tmp_path)[0] == 2 and (folder / "new.part").exists()
    assert cache_table(tmp_path)["images"].tolist() == [4, 4]
    with pytest.raises(ValueError, match="nothing by the name 'x'"):
        prune_cache(tmp_path, ["x"])
    prune_cache(tmp_path, iter([stores[1].folder.name]))  # read once
    os.utime(folder / "new.part", (time.time() - 120,) * 2)
    (folder / "newest.part").write_bytes(b"....")
    (folder / "about.json").write_text("[]")
    assert cache_table(tmp_path)["encoder"].tolist() == ["?"]
    assert prune_cache(tmp_path, older=-1)[0] == 3
    assert [p.name for p in folder.iterdir()] == ["newest.part"]  # being written
    os.utime(folder / "newest.part", (0, 0))
    stores[0].put(KEYS, ROWS)
    assert cache_table(tmp_path)["view"].tolist() == [""]
    assert prune_cache(tmp_path, older=-1)[0] == 3 and not len(cache_table(tmp_path))


def hammered(beside, work, seconds: float = 2.0) -> int:
    "Does the one thing again and again while another thread does the other; how often."
    ended, times = threading.Event(), 0

    def again():
        while not ended.is_set():
            beside()

    other = threading.Thread(target=again)
    other.start()
    try:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            work()
            times += 1
    finally:
        ended.set()
        other.join()
    return times


def test_the_folder_goes_while_it_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    "Removed between the system's 'it is there' and our looking, the folder is simply made again."
    store = EmbeddingCache(tmp_path / "cache" / "e")
    monkeypatch.setattr(cache, "_write_aside", lambda place, payload: None)  # it stays empty
    folder = store.folder

    def remove():
        for place in (folder, folder.parent):
            with contextlib.suppress(OSError):
                os.rmdir(place)
        time.sleep(random.random() / 1000)  # a thread that never waits lets no other one finish

    assert hammered(remove, store.prepare) > 3


def test_pruned_as_fast_as_it_is_written(tmp_path: Path):
    "Whatever the moment, writing does not fail, and what is written last is whole."
    store = EmbeddingCache(tmp_path / "cache" / "e", {"encoder": "none"})
    assert hammered(lambda: prune_cache(tmp_path / "cache", older=-1), store.prepare, 1.0) > 3
    store.put(KEYS, ROWS)
    assert np.array_equal(store.read(store.find(KEYS), 3), ROWS)
