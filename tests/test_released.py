"What shows of the reader and the downloader only from outside: hostile files in a process of its own, and servers that misbehave."

import collections
import contextlib
import copyreg
import hashlib
import io
import os
import pickle
import random
import re
import subprocess
import sys
import tempfile
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from chip.audit import pickles, released

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
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file,
        file.open("x/data.pkl", "w") as member,
    ):
        for _ in range(300):
            member.write(b"\0" * (1 << 20))
    assert path.stat().st_size < 1_000_000
    with pytest.raises(released.Unsafe, match="unpacks to more than 64 MB"):
        released.read_released(path)
    with pytest.raises(FileNotFoundError):
        released.read_released(tmp_path / "missing.pth")


# ---- what an attacker could think of


def worked_out(program: bytes) -> object:
    with tempfile.NamedTemporaryFile(suffix=".pkl") as file:
        Path(file.name).write_bytes(program)
        return released.read_released(file.name)


def refused(program: bytes, match: str) -> None:
    with pytest.raises(released.Unsafe, match=match):
        worked_out(program)


def text(value: str) -> bytes:
    "The instruction that puts a text on the stack."
    raw = value.encode()
    return b"X" + len(raw).to_bytes(4, "little") + raw


def test_only_allowed_names_have_a_stand_in():
    closed = pickles.Closed(io.BytesIO())
    assert closed.find_class("numpy", "dtype").path == "numpy dtype"
    for module, name in (
        ("os", "system"),
        ("builtins", "eval"),
        ("builtins", "getattr"),
        ("numpy", "dtype.__class__"),
        ("functools", "partial.__reduce__"),
        ("numpy", " dtype"),
        ("numpy ", "dtype"),
        ("", ""),
    ):
        with pytest.raises(released.Unsafe, match="nothing was run"):
            closed.find_class(module, name)


def test_calls_are_refused_by_the_name_of_what_they_ask_for(tmp_path):
    trace = tmp_path / "trace"
    hostile = {
        "posix.system": pickle.dumps(Calls(os.system, f"touch {trace}"), 2),
        "builtins.eval": pickle.dumps(Calls(eval, f"open({str(trace)!r}, 'w')"), 4),
        "__builtin__.getattr": pickle.dumps([1, {"a": Calls(getattr, "text", "encode")}], 2),
        "builtins.__import__": b"\x80\x04\x8c\x08builtins\x8c\x0a__import__\x93\x8c\x02os\x85R.",
        "numpy.ndarray.__class__": b"\x80\x04\x8c\x05numpy\x8c\x11ndarray.__class__\x93.",
        "numpy.load": b"cnumpy\nload\n(S'file'\ntR.",
        "torch.storage._load_from_bytes": b"ctorch.storage\n_load_from_bytes\n(S'x'\ntR.",
    }
    for name, program in hostile.items():
        refused(program, re.escape(name))
    assert not trace.exists()


@pytest.mark.parametrize(
    "word, program",
    [
        ("EXT1", b"\x80\x02\x82\x01."),
        ("EXT4", b"\x80\x02\x84\x01\x00\x00\x00."),
        ("INST", b"(S'ls'\nios\nsystem\n."),
        ("OBJ", b"(cnumpy\ndtype\no."),
        ("NEWOBJ_EX", b"\x80\x04cnumpy\ndtype\n)}\x92."),
        ("PERSID", b"Pdevice\n."),
        ("outside of itself", b"\x80\x02X\x03\x00\x00\x00/etQ."),
        ("NEXT_BUFFER", b"\x80\x05\x97."),
        ("DUP", b"\x80\x02]2."),
        ("more from its stack", b"\x80\x02\x85."),
        ("more from its stack", b"\x80\x02](a."),
        ("a mark that", b"\x80\x02u."),
        ("not kept", b"\x80\x02h\x07."),
        ("'str' object is not callable", b"\x80\x02X\x01\x00\x00\x00a)R."),
        ("'numpy dtype' object is not callable", b"cnumpy\ndtype\n)R)R."),
        ("no block of a frame", b"cfunctools\npartial\n(cnumpy\ndtype\ntR)R."),
        ("no block of a frame", b"cfunctools\npartial\n)R)R."),
        ("damaged", b"\x80\x02cnumpy\ndtype\n)R)\x81."),  # an instance where a class belongs
        ("damaged", b"\x80\x02X\x01\x00\x00\x00a)\x81."),
        ("damaged", b"\x80\x02cnumpy\ndtype\nK\x01R."),  # a number where arguments belong
        ("damaged", b"\x80\x02)K\x01a."),  # a tuple is appended to
        ("damaged", b"\x80\x02]]b."),  # the state of a list
        ("damaged", b"\x80\x04K\x01K\x02\x93."),  # a name that is no text
        ("damaged", b""),
    ],
)
def test_strange_instructions_are_refused(word, program):
    refused(program, re.escape(word))


def test_every_torn_program_is_refused():
    whole = pickle.dumps({"a": list(range(50)), "b": "text"}, 4)
    for end in range(len(whole)):
        refused(whole[:end], "damaged|stack|mark|kept")


def test_extension_codes_do_not_go_round_the_closed_names():
    "Python answers a code that it met before from a cache, without asking for the name."
    copyreg.add_extension("os", "getcwd", 240)
    try:
        assert pickle.loads(b"\x80\x02\x82\xf0)R.") == os.getcwd()
        refused(b"\x80\x02\x82\xf0)R.", "EXT1")
    finally:
        copyreg.remove_extension("os", "getcwd", 240)
        copyreg.clear_extension_cache()


def test_a_state_changes_nothing_but_its_own_note():
    path, args = text("path"), text("args")
    state = b"}(" + path + text("os system") + args + b"Nu"
    note = pickles.follow(b"\x80\x02cnumpy\ndtype\nK\x01\x85R" + state + b"b.")
    assert note.path == "numpy dtype" and note.args == (1,)
    assert note.state == {"path": "os system", "args": None}
    for on_class in (state, b"N" + state + b"\x86"):
        refused(b"\x80\x02cnumpy\ndtype\n" + on_class + b"b.", "damaged")
    assert pickles.STAND_INS["numpy dtype"].path == "numpy dtype"
    setter = b"}" + text("__setstate__") + b"cnumpy\nndarray\ns"
    note = pickles.follow(b"\x80\x02cnumpy\ndtype\n)R" + setter + b"b.")
    assert list(note.state) == ["__setstate__"] and "__setstate__" not in vars(note)


@pytest.mark.parametrize(
    "word, program",
    [
        ("keeps a value in place", b"\x80\x02Nr\xff\xff\xff\xff."),  # room for four billion
        ("damaged", b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7fabc."),
        ("damaged", b"\x80\x02X\xff\xff\xff\x7fabc."),  # a text of two gigabytes, in three bytes
        ("it is nested", b"\x80\x02})" + b"\x85" * 300_000 + b"K\x01s."),  # a key to be hashed
        ("nested more than", b"\x80\x02" + b"]" * 20_000 + b"a" * 19_999 + b"."),
    ],
)
def test_a_program_that_lies_about_its_size_costs_nothing(word, program):
    refused(program, word)


def test_a_program_has_only_so_many_instructions(monkeypatch):
    monkeypatch.setattr(pickles, "MOST_INSTRUCTIONS", 1_000)
    refused(b"\x80\x02" + b"N" * 1_001 + b".", "more than 1,000 instructions")


def shared(empty: bytes, fill: bytes, depth: int) -> bytes:
    "Containers that hold the one before twice: 2^depth leaves if one walked them all."
    return empty + b"q\x00" + b"".join(fill % (i, i, i + 1) for i in range(depth))


def test_what_is_shared_is_walked_once():
    lists = b"]q\x00" + b"".join(b"]q%c(h%ch%ce" % (i, i - 1, i - 1) for i in range(1, 60))
    tuples = shared(b")", b"h%ch%c\x86q%c", 60)
    assert len(worked_out(b"\x80\x02" + lists + b".")) == 2
    for program in (tuples + b".", b"}" + tuples + b"K\x01s.", b"](" + tuples + b"e."):
        refused(b"\x80\x02" + program, "it is nested")
    hidden = b"\x80\x02)q\x00" + b"".join(b"h%ch%c\x86Nbq%c" % (i, i, i + 1) for i in range(60))
    refused(hidden + b".", "it is nested")  # a state of None leaves the tuple as it is
    refused(b"\x80\x02" + lists + b"Q.", "outside of itself")  # not written out in the message
    array = b"cnumpy.core.multiarray\n_reconstruct\n)R"
    dtype = b"cnumpy\ndtype\n" + text("f4") + b"\x85R"
    state = b"(K\x01h\x3b" + dtype + b"\x89" + text("") + b"tb."
    refused(b"\x80\x02" + lists + array + state, "no array of shape")


def test_blocks_that_share_an_array_cannot_become_a_large_frame():
    one, index = np.broadcast_to(0.0, (1, 1 << 22)), np.broadcast_to(0, 1 << 22)
    blocks = [(one, range(i, i + 1)) for i in range(20)]
    frame = pickles.MEANINGS["pandas.core.frame DataFrame"]
    with pytest.raises(released.Unsafe, match="too large"):
        frame((), {"_mgr": (blocks, [np.arange(20), index])})


def test_an_array_or_a_number_that_lies_is_refused():
    true = pickle.dumps(np.zeros((2, 3), "f4"), 2)
    lies = {
        "wrong number of bytes": true.replace(b"K\x02K\x03\x86", b"K\x02K\xff\x86"),
        "no array of shape": true.replace(b"K\x02K\x03\x86", b"K\x02J\xff\xff\xff\xff\x86"),
        "no number format": true.replace(b"X\x02\x00\x00\x00f4", b"X\x02\x00\x00\x00V4"),
        "an unknown spelling": true.replace(b"latin1", b"rot_13"),
        "without content": b"cnumpy.core.multiarray\n_reconstruct\n)R.",
        "contains itself": b"\x80\x02]q\x00h\x00a.",
        "nested more than": b"\x80\x02" + b"]" * 200 + b"a" * 199 + b".",
        "damaged": b"\x80\x02}]K\x01s.",
        "a key that is not": b"\x80\x02})K\x01s.",
        "no meaning by itself": b"cfunctools\npartial\n(cpandas.core.internals.blocks\nnew_block\ntR.",
        "would become more": b"\x80\x02"
        + text("a" * (1 << 20))
        + b"q\x00X\x06\x00\x00\x00latin1q\x01]q\x02("
        + b"c_codecs\nencode\nh\x00h\x01\x86R" * 300
        + b"e.",
    }
    for word, program in lies.items():
        refused(program, word)


def test_notes_become_what_they_describe():
    made = {np.int32(3): {1, 2}, "x": np.float64(0.5), "o": collections.OrderedDict(), "b": b""}
    assert worked_out(pickle.dumps(made, 2)) == {3: {1, 2}, "x": 0.5, "o": {}, "b": b""}
    for array in (np.array(7.0), np.array([b"ab", b"c"])):
        for protocol in (2, 4):
            out = worked_out(pickle.dumps(array, protocol))
            assert out.dtype == array.dtype and out.shape == array.shape and (out == array).all()
    for protocol in (3, 4):
        assert pickles.follow(pickle.dumps(b"\x00\xff", protocol)) == b"\x00\xff"
    note = pickles.follow(pickle.dumps(np.float32(2.5), 2))
    assert note.path.endswith("multiarray scalar") and note.args[0].path == "numpy dtype"


# ---- archives

STORAGE = (
    b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x06tQ"
)
SHAPE = b"K\x00K\x02K\x03\x86K\x03K\x01\x86\x89ccollections\nOrderedDict\n)R"
TENSOR = b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n(" + STORAGE + SHAPE + b"tR."


def archive(folder: Path, program: bytes, storages=(), **options) -> Path:
    "A zip as PyTorch writes it."
    path = folder / "some.pth"
    with zipfile.ZipFile(path, "w", **options) as file:
        file.writestr("some/data.pkl", program)
        for key, raw in dict(storages).items():
            file.writestr(f"some/data/{key}", raw)
    return path


def test_tensors_lie_within_their_archive(tmp_path):
    six = np.arange(6, dtype="<f4")
    whole = {"0": six.tobytes()}
    assert (released.read_released(archive(tmp_path, TENSOR, whole)) == six.reshape(2, 3)).all()
    assert released.read_released(archive(tmp_path, pickle.dumps([1, 2], 2))) == [1, 2]
    for word, program, storages in (
        ("some.pth is not read: .*posix.system", pickle.dumps(Calls(os.system, "true"), 2), {}),
        ("no storage '0'", TENSOR, {}),
        ("has not 6 numbers", TENSOR, {"0": b"1234"}),
        ("does not lie within", TENSOR.replace(b"K\x03K\x01\x86", b"K\x00K\x00\x86"), whole),
    ):
        with pytest.raises(released.Unsafe, match=word):
            released.read_released(archive(tmp_path, program, storages))
    path = archive(tmp_path, pickle.dumps(np.zeros(999), 2))
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(released.Unsafe, match="some.pth is not read"):
        released.read_released(path)


def test_one_storage_cannot_become_thousands_of_tensors(tmp_path):
    numbers = np.zeros(1 << 20, dtype="<f4").tobytes()
    length = (1 << 20).to_bytes(4, "little")
    storage = STORAGE.replace(b"K\x06tQ", b"J" + length + b"tQ") + b"q\x00"
    tensor = b"ctorch._utils\n_rebuild_tensor_v2\n(h\x00K\x00J" + length + b"\x85K\x01\x85\x89NtR"
    program = b"\x80\x02](" + storage + tensor * 100 + b"e."
    with pytest.raises(released.Unsafe, match="would become more than 256 MB"):
        released.read_released(archive(tmp_path, program, {"0": numbers}))


# ---- the arrays


def test_a_whole_set_of_files_as_published(tmp_path):
    "Written by today's libraries and read back, to try the kinds that the six files at hand do not show."
    from sklearn.cluster import KMeans

    rng, slugs = np.random.default_rng(0), [f"s{i}" for i in range(4)]
    means = rng.normal(size=(12, 3)).astype("f4")
    parents = KMeans(5, n_init=1, random_state=0).fit(means)
    contents = {
        "wnids": np.array([f"n{i:08}" for i in range(12)]),
        "means": means,
        88: parents,
        8: KMeans(2, n_init=1, random_state=0).fit(parents.cluster_centers_),
        "unseen0": {slug: rng.normal(size=(1, 3, 1, 1)) for slug in reversed(slugs)},
    }
    assert released.load_authors((tmp_path, tmp_path / "nowhere")) is None
    for key, value in contents.items():
        path = tmp_path / released.PUBLISHED[key]
        path.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(path, "w") as file:
            file.writestr("archive/data.pkl", pickle.dumps(value, 2))
    authors = released.load_authors((tmp_path,))
    assert len(authors.wnids) == 12 and authors.means.shape == (12, 3)
    assert set(authors.fits) == {88, 8} and authors.fits[8].labels.shape == (5,)
    assert authors.slugs == ("s0", "s1", "s2", "s3") and authors.unseen[0].shape == (4, 3)
    assert authors.frames == {} and authors.groups is None
    (tmp_path / released.PUBLISHED["means"]).write_bytes(pickle.dumps([1.0, 2.0], 2))
    with pytest.raises(released.Unsafe, match="not a matrix"):
        released.load_authors((tmp_path,))


def test_a_frame_of_another_kind_is_refused():
    frame = pd.DataFrame({"Label": ["b"], "Level1_Label": [2], "Level1_Embeddings": [[1, 0, 0]]})
    with pytest.raises(released.Unsafe, match="lacks the column Level2_Embeddings"):
        released.frame_labels(frame, {2: np.eye(3)})


@pytest.mark.skipif(not AUTHORS.is_dir(), reason="../shared/data is not here")
def test_packs_and_published_files_hold_the_same_arrays():
    packs, published = (
        released.read_packs(AUTHORS),
        released.read_published(AUTHORS / "as_published"),
    )
    assert published.wnids == packs.wnids and published.groups == packs.groups
    assert published.slugs == packs.slugs == tuple(sorted(packs.frames["mapping"]["slug"]))
    assert len(packs.slugs) == 20 and (published.unseen[2] == packs.unseen[2]).all()
    assert (published.fits[8].centres == packs.fits[8].centres).all()
    assert (published.fits[8].labels == packs.fits[8].labels).all()
    assert sorted(packs.groups) == sorted(set(packs.fits[8].labels.tolist()))
    assert all(type(m) is int for members in packs.groups.values() for m in members)
    csv = pd.read_csv(AUTHORS / "few_shot_mapping.csv").set_index("slug").loc[list(packs.slugs)]
    assert (csv.to_numpy() == packs.frames["mapping"][["vector1", "vector2"]].to_numpy()).all()
    assert published.means is None and published.frames == {} and 88 not in published.fits
    known = {Path(row.path).name: row for row in released.published_files().itertuples()}
    for file in (AUTHORS / "as_published").iterdir():
        assert released.is_whole(file, known[file.name].bytes, known[file.name].sha256)


def test_the_table_of_published_files():
    files = released.published_files()
    assert len(files) == 23 and files["sha256"].str.fullmatch("[0-9a-f]{64}").all()
    assert set(released.PUBLISHED.values()) <= set(files["path"])


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


def test_one_file_that_is_there_is_not_asked_for(tmp_path):
    path = tmp_path / "a" / "b.bin"
    with pytest.raises(released.FetchError, match="could not be fetched .*check the network"):
        released.fetch_file("http://127.0.0.1:9/x", path, 3, "0" * 64, attempts=1)
    path.write_bytes(b"abc")
    sha256 = hashlib.sha256(b"abc").hexdigest()
    assert not released.fetch_file("http://127.0.0.1:9/x", path, 3, sha256, attempts=1)
