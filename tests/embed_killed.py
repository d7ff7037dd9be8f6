"""Embedding killed again and again at random moments, and what is left of it in the end; a script, and what test_embeddings.py uses.

python tests/embed_killed.py ../shared/data/photos ../shared/data/tiny --kills 20
"""

import argparse
import hashlib
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from chip.compute import embeddings
from chip.compute.backends import CPU_BATCH, Compute, Done
from chip.compute.cache import EmbeddingCache, _keys_of
from chip.compute.embeddings import embed
from chip.compute.encoders import Encoder, load_encoder

CPU = Compute(device="cpu")


def pictures_in(folders: list[Path]) -> pd.DataFrame:  # path, sha256, bytes
    "All JPEG and PNG files below some folders, each content once."
    files = [
        path.resolve()
        for folder in folders
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in (".jpg", ".jpeg", ".png")
    ]
    table = pd.DataFrame(
        [(str(p), hashlib.sha256(p.read_bytes()).hexdigest(), p.stat().st_size) for p in files],
        columns=["path", "sha256", "bytes"],
    )
    return table.drop_duplicates("sha256", ignore_index=True)


def in_child(table: pd.DataFrame, encoder: Encoder, cache: Path, log: Path) -> int:
    "Starts a process that embeds; it writes down how many embeddings it has been given. Its process id."
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        local = embeddings.local_results

        def counted(*arguments) -> Iterator[Done]:
            n = 0
            with open(log, "r+") as file:
                for done in local(*arguments):
                    n += len(done.rows)
                    file.seek(0)
                    file.write(f"{n:09d}")
                    file.flush()
                    yield done

        embeddings.local_results = counted
        embed(table, "/", encoder, CPU, cache=cache, progress=False)
        status = 0
    finally:
        os._exit(status)


def kept(cache: Path) -> list[str]:
    "The content hashes in a cache, as often as they are there."
    store = EmbeddingCache(next(cache.glob("*"), cache))
    return [bytes(key).hex() for shard in store.shards() for key in _keys_of(shard)]


def run(table: pd.DataFrame, encoder: Encoder, kills: int, seed: int, folder: Path) -> dict:
    "Kills the work so many times, lets it finish, and compares with one that nobody disturbed."
    rng, log, killed, lost, moments = random.Random(seed), folder / "log", 0, [], []
    log.write_text("000000000")
    assert os.waitpid(in_child(table, encoder, folder / "calm", log), 0)[1] == 0
    while killed < kills and len(kept(folder / "cache")) < len(table):
        before = len(kept(folder / "cache"))
        moment = rng.randrange(
            min(3 * embeddings.SHARD // 2, len(table) - before)
        )  # once so many are done, and a little later
        log.write_text("000000000")
        child = in_child(table, encoder, folder / "cache", log)
        while int(log.read_text()) < moment and not os.waitid(
            os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT
        ):
            time.sleep(0.001)
        time.sleep(rng.uniform(0, 0.005))
        os.kill(child, signal.SIGKILL)
        killed += os.waitpid(child, 0)[1] == signal.SIGKILL
        moments.append(before + int(log.read_text()))
        lost.append(before + int(log.read_text()) - len(kept(folder / "cache")))
    assert os.waitpid(in_child(table, encoder, folder / "cache", log), 0)[1] == 0
    for child in [in_child(table, encoder, folder / "both", log) for _ in range(2)]:
        assert os.waitpid(child, 0)[1] == 0
    there = kept(folder / "cache")
    with torch.inference_mode():
        same = [
            embed(table, "/", encoder, CPU, cache=folder / name, progress=False)
            for name in ("calm", "cache", "both")
        ]
    return {
        "pictures": len(table),
        "kills": killed,
        "killed_at": moments,
        "most_lost": max(lost, default=0),
        "shard": embeddings.SHARD,
        "kept": len(there),
        "kept_twice": len(there) - len(set(there)),
        "left_over": len(list((folder / "cache").glob("*/*.part"))),
        "byte_identical": bool(np.array_equal(*same[:2])),
        "two_at_once": bool(np.array_equal(same[0], same[2])),
        "sha256": hashlib.sha256(same[1].tobytes()).hexdigest(),
    }


def passed(result: dict, kills: int) -> bool:
    "Whether so many kills have happened and nothing came of them."
    whole = (
        result["byte_identical"]
        and result["two_at_once"]
        and result["kept"] == result["pictures"]
        and not result["kept_twice"]
    )
    return whole and result["kills"] == kills and result["most_lost"] <= result["shard"] + CPU_BATCH


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--first", type=int, default=0, help="only so many pictures")
    parser.add_argument(
        "--shard",
        type=int,
        default=0,
        help="embeddings in a shard; 0: so few that the work is not done before the last kill",
    )
    parser.add_argument("--size", type=int, default=0, help="side of the encoder's input")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    torch.set_num_threads(1)  # so that no thread is alive when this process is copied
    table = pictures_in(given.folders)[: given.first or None]
    embeddings.SHARD = given.shard or max(
        4 * len(table) // (5 * max(given.kills, 1)), 1
    )  # between two kills comes one shard at most, see `run`
    folder = Path(tempfile.mkdtemp())
    try:
        result = run(
            table,
            load_encoder("efficientnet_lite0", size=given.size),
            given.kills,
            given.seed,
            folder,
        )
    finally:
        shutil.rmtree(folder)
    print(json.dumps(result))
    sys.exit(not passed(result, given.kills))


if __name__ == "__main__":
    main()
