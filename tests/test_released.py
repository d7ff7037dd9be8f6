"What shows of the reader and the downloader only from outside: hostile files in a process of its own, and servers that misbehave."

import contextlib
import hashlib
import os
import pickle
import random
import subprocess
import sys
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from chip.audit import released

ROOT = Path(__file__).resolve().parent.parent
AUTHORS = ROOT.parent / "shared" / "data" / "authors"


class Calls:
    def __init__(self, function, *args):
        self.call = (function, args)

    def __reduce__(self):
        return self.call


# ---- reading


def test_reading_imports_nothing_that_a_file_names(tmp_path):
    "The reader leaves scikit-learn and PyTorch alone, and a module that a file names is never imported."
    (tmp_path / "trap.py").write_text("open('sprung', 'w')\n")
    (tmp_path / "trap.pkl").write_bytes(b"ctrap\nspring\n)R.")
    (tmp_path / "array.pkl").write_bytes(pickle.dumps({"a": np.arange(3)}, 2))
    (tmp_path / "model.pkl").write_bytes(
        b"\x80\x02csklearn.cluster._kmeans\nKMeans\n)\x81}X\x01\x00\x00\x00aK\x01sb."
    )
    code = (
        "import sys; from chip.audit.released import read_released, Unsafe\n"
        "assert read_released('array.pkl')['a'].tolist() == [0, 1, 2] and read_released('model.pkl').attributes == {'a': 1}\n"
        "try: read_released('trap.pkl'); raise SystemExit('was read')\n"
        "except Unsafe as error: assert 'trap.spring' in str(error)\n"
        "assert not {'sklearn', 'torch', 'trap'} & set(sys.modules), sorted(sys.modules)"
    )
    subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("protocol", range(5))
def test_calls_hidden_anywhere_are_refused(tmp_path, protocol):
    trace = tmp_path / "trace"
    call = Calls(os.system, f"touch {trace}")
    for value in (call, [call], {"a": [1, (call,)]}, {"x": np.array([call, 1], dtype=object)}):
        path = tmp_path / "file.pth"
        with zipfile.ZipFile(path, "w") as file:
            file.writestr("x/data.pkl", pickle.dumps(value, protocol))
        with pytest.raises(released.Unsafe, match=r"file\.pth is not read: .*system"):
            released.read_released(path)
    assert not trace.exists()


def test_an_allowed_name_called_in_a_way_it_is_not_meant_is_refused(tmp_path):
    path = tmp_path / "file.pkl"
    for program in (
        b"c_codecs\nencode\n(X\x01\x00\x00\x00aX\x08\x00\x00\x00zlib_codtR.",
        b"cnumpy\nndarray\n(J\xff\xff\xff\x7f\x85tR.",
        b"cfunctools\npartial\n(cfunctools\npartial\ntR)R.",
        b"cpandas.core.frame\nDataFrame\n)\x81X\x01\x00\x00\x00ab.",
        b"c__builtin__\nset\n((\x80\x02]]atR.",
        b"ccollections\nOrderedDict\n)R(X\x01\x00\x00\x00aK\x01u.",
    ):
        path.write_bytes(program)
        with pytest.raises(released.Unsafe):
            released.read_released(path)


@pytest.mark.filterwarnings("ignore:invalid escape sequence:DeprecationWarning")
def test_noise_never_does_more_than_be_refused(tmp_path):
    "Mutated real pickles: whatever comes, an answer or Unsafe, and nothing else."
    rng, path = random.Random(0), tmp_path / "file.pkl"
    whole = pickle.dumps(
        {
            "a": np.arange(20, dtype="f4"),
            "b": [np.float64(1), {1, 2}, "text"],
            "c": pd.Index([1]).to_numpy(),
        },
        2,
    )
    refused = 0
    for _ in range(600):
        noisy = bytearray(whole)
        for _ in range(rng.randint(1, 4)):
            noisy[rng.randrange(len(noisy))] = rng.randrange(256)
        path.write_bytes(noisy)
        try:
            released.read_released(path)
        except released.Unsafe:
            refused += 1
    assert 150 < refused < 600


@pytest.mark.filterwarnings("ignore:invalid escape sequence:DeprecationWarning")
@pytest.mark.skipif(not AUTHORS.is_dir(), reason="../shared/data is not here")
def test_noise_in_the_real_archives(tmp_path):
    rng, path = random.Random(1), tmp_path / "file.pth"
    for real in (
        "10_level2 Kmeans_group.pth",
        "00_embeddings_folder_label_resnet.pth",
        "unseen_embeddings_train_L2.pth",
    ):
        whole = (AUTHORS / "as_published" / real).read_bytes()
        for _ in range(60):
            noisy = bytearray(whole)
            for _ in range(rng.randint(1, 30)):
                noisy[rng.randrange(len(noisy))] = rng.randrange(256)
            path.write_bytes(noisy)
            with contextlib.suppress(released.Unsafe):
                released.read_released(path)


def test_a_small_file_cannot_become_a_large_one(tmp_path):
    path = tmp_path / "bomb.pth"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        with file.open("x/data.pkl", "w") as member:
            for _ in range(300):
                member.write(b"\0" * (1 << 20))
    assert path.stat().st_size < 1_000_000
    with pytest.raises(released.Unsafe, match="unpacks to more than 64 MB"):
        released.read_released(path)
    with pytest.raises(FileNotFoundError):
        released.read_released(tmp_path / "missing.pth")


# ---- downloading


class Server:
    "A server on this machine whose manners can be set."

    def __init__(self):
        self.files, self.requests, self.manner = {}, [], ""
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *args):
                pass

            def do_GET(self):
                outer.requests.append((self.path, self.headers.get("Range")))
                content = outer.files.get(self.path)
                if outer.manner == "busy":
                    outer.manner = ""
                    self.send_error(503)
                    return
                if content is None:
                    return self.send_error(404)
                begin = (
                    int(self.headers["Range"][6:-1])
                    if self.headers.get("Range") and outer.manner != "no parts"
                    else 0
                )
                self.send_response(206 if begin else 200)
                self.send_header("Content-Length", str(len(content) - begin))
                self.end_headers()
                if outer.manner == "breaks off":
                    self.wfile.write(content[begin : begin + (len(content) - begin) // 2])
                    self.close_connection = True
                else:
                    self.wfile.write(content[begin:])

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, daemon=True).start()
        self.base = f"http://127.0.0.1:{self.http.server_port}"


@pytest.fixture
def server():
    server = Server()
    yield server
    server.http.shutdown()
    server.http.server_close()


@pytest.fixture
def files(monkeypatch, server):
    "Three files to be fetched, in place of the authors'."
    content = {
        "one.pth": b"1" * 100_000,
        "a folder/two.pth": os.urandom(200_000),
        "three.json": b"{}",
    }
    table = pd.DataFrame(
        [
            {"path": p, "bytes": len(c), "sha256": hashlib.sha256(c).hexdigest()}
            for p, c in content.items()
        ]
    )
    monkeypatch.setattr(released, "published_files", lambda: table)
    for path, c in content.items():
        server.files[released.published_url(path, "")] = c
    return content


def fetch(server, folder, **how):
    return released.fetch_authors(
        folder, server.base, progress=False, **{"pause": 0, "attempts": 2, **how}
    )


def left(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def test_all_files_come_and_are_not_fetched_twice(server, files, tmp_path):
    assert fetch(server, tmp_path) == (tmp_path, 3)
    assert all((tmp_path / p).read_bytes() == c for p, c in files.items()) and left(
        tmp_path
    ) == sorted(files)
    server.requests.clear()
    assert fetch(server, tmp_path)[1] == 0 and not server.requests
    (tmp_path / "one.pth").write_bytes(b"damaged")
    assert (
        fetch(server, tmp_path)[1] == 1 and (tmp_path / "one.pth").read_bytes() == files["one.pth"]
    )


def test_an_interrupted_download_is_carried_on(server, files, tmp_path):
    server.manner = "breaks off"
    with pytest.raises(
        released.FetchError, match="run the command again, what has arrived is kept"
    ):
        fetch(server, tmp_path, attempts=1)
    assert (
        left(tmp_path) == [".one.pth.part"]
        and (tmp_path / ".one.pth.part").stat().st_size == 50_000
    )
    server.manner = ""
    server.requests.clear()
    assert fetch(server, tmp_path)[1] == 3 and server.requests[0][1] == "bytes=50000-"
    assert all((tmp_path / p).read_bytes() == c for p, c in files.items())


def test_a_server_without_parts_and_one_that_is_busy(server, files, tmp_path):
    (tmp_path / ".one.pth.part").write_bytes(b"x" * 10)
    server.manner = "no parts"
    assert (
        fetch(server, tmp_path)[1] == 3 and (tmp_path / "one.pth").read_bytes() == files["one.pth"]
    )
    (tmp_path / "one.pth").unlink()
    server.manner = "busy"
    assert fetch(server, tmp_path)[1] == 1


def test_other_content_is_not_kept(server, files, tmp_path):
    server.files[released.published_url("one.pth", "")] = b"2" * 100_000
    with pytest.raises(released.FetchError, match="is another file"):
        fetch(server, tmp_path)
    server.files[released.published_url("one.pth", "")] = b"1" * 100_001
    with pytest.raises(released.FetchError, match="longer than the 100,000 bytes"):
        fetch(server, tmp_path)
    del server.files[released.published_url("one.pth", "")]
    with pytest.raises(released.FetchError, match="is not there .status 404."):
        fetch(server, tmp_path)
    assert left(tmp_path) == []


def test_without_a_network_the_message_says_what_to_do(server, files, tmp_path):
    with pytest.raises(
        released.FetchError, match="check the network .* or put the file at .*one.pth yourself"
    ) as error:
        released.fetch_authors(tmp_path, "http://127.0.0.1:9", progress=False, attempts=1)
    assert "\n" not in str(error.value)
