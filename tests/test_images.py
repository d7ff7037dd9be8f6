"Image folders from outside: what real folders hold, what is refused, and what survives a kill."

import os
import signal
import subprocess
import sys
import time
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from chip.data.images import (
    UnreadableImage,
    draw_shots,
    draw_splits,
    find_duplicates,
    load_cache,
    open_image,
    scan_images,
)

ROOT = Path(__file__).resolve().parents[1]
PACKS = ROOT.parent / "shared" / "data"
needs_packs = pytest.mark.skipif(
    not (PACKS / "photos" / "train").is_dir(), reason="no ../shared/data beside the project"
)


def jpeg(seed: int, size: tuple[int, int] = (40, 30)) -> bytes:
    "A JPEG of noise, another for each seed."
    out = BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (*size[::-1], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(out, "JPEG")
    return out.getvalue()


def fill(folder: Path, files: dict[str, bytes]) -> Path:
    "Write files below a folder."
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


@pytest.fixture
def good(tmp_path) -> Path:
    "Two seen classes of twelve images, one unseen of two."
    seen = {
        f"train/{label}/{i}.JPG": jpeg(100 * k + i)
        for k, label in enumerate(("ant", "bee"))
        for i in range(12)
    }
    return fill(tmp_path / "good", seen | {f"unseen/kiwi/{i}.jpg": jpeg(900 + i) for i in range(2)})


REFUSED = {
    "missing": (None, "does not exist: expected DIR/train/<class>/<picture>"),
    "empty": ({}, "is empty: expected DIR/train"),
    "only hidden files": ({".DS_Store": b"x"}, "is empty: expected DIR/train"),
    "classes at the top": (
        {"ant/1.jpg": jpeg(1), "bee/1.jpg": jpeg(2)},
        "has no folder train/.* 2 folders ant, bee are classes, move them",
    ),
    "only unseen": ({"unseen/kiwi/1.jpg": jpeg(1)}, "has no folder train/"),
    "only strays": ({"train/1.jpg": jpeg(1)}, "holds no class folder"),
    "nothing usable": (
        {"train/ant/1.jpg": b""},
        r"class 'ant' in .*: 0 usable images, at least 1 needed \(train/ant/1.jpg: empty\)",
    ),
    "seen and unseen": (
        {"train/ant/1.jpg": jpeg(1), "unseen/ant/1.jpg": jpeg(2)},
        "class 'ant': both in",
    ),
    "tested untrained": (
        {"train/ant/1.jpg": jpeg(1), "test/bee/1.jpg": jpeg(2)},
        "class 'bee' of .* a class must be trained",
    ),
    "validated untrained": (
        {"train/ant/1.jpg": jpeg(1), "val/bee/1.jpg": jpeg(2)},
        "class 'bee' of .* a class must be trained",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_in_one_line(tmp_path, name):
    files, message = REFUSED[name]
    if files is not None:
        fill(tmp_path / "DIR", files).mkdir(exist_ok=True)
    with pytest.raises((FileNotFoundError, ValueError), match=message) as caught:
        scan_images(tmp_path / "DIR")
    assert "\n" not in str(caught.value) and "DIR" in str(caught.value)


def test_file_in_place_of_a_folder(tmp_path):
    with pytest.raises(ValueError, match="is a file: expected DIR/train"):
        scan_images(fill(tmp_path, {"pictures.zip": b"PK"}) / "pictures.zip")


def test_every_file_is_used_or_listed(good):
    whole = jpeg(5, (200, 200))
    fill(
        good,
        {
            "train/stray.jpg": jpeg(1),
            "train/ant/cut.jpg": whole[: len(whole) // 2],
            "train/ant/empty.png": b"",
            "train/ant/page.jpg": b"<html>404 Not Found</html>",
            "train/bee/notes.txt": b"x",
            "train/bee/.DS_Store": b"x",
            "train/bee/deeper/still/13.jpeg": jpeg(6),
            "README.md": b"x",
            "taxonomy.csv": b"x",
        },
    )
    folder = scan_images(good)
    assert folder.summary() == (
        "27 images of 2 classes and 1 unseen class used, 5 files left out: "
        "1 empty, 1 not a picture's suffix, 1 not an image, 1 stray, 1 truncated"
    )
    on_disk = {p.relative_to(good).as_posix() for p in good.rglob("*") if p.is_file()} - {
        "README.md",
        "taxonomy.csv",
        "train/bee/.DS_Store",
    }
    assert on_disk == set(folder.table["path"]) | set(folder.rejected["path"])
    assert not set(folder.table["path"]) & set(folder.rejected["path"])
    for path in folder.table["path"]:
        assert open_image(folder.root / path).mode == "RGB"


def test_the_table_does_not_depend_on_threads_or_cache(good, tmp_path):
    plain = scan_images(good, workers=1)
    for folder in (
        scan_images(good, workers=8),
        *(scan_images(good, cache=tmp_path / "c.parquet") for _ in range(2)),
    ):
        assert folder.table.equals(plain.table) and folder.rejected.equals(plain.rejected)
    moved = good.rename(tmp_path / "moved")
    assert draw_splits(scan_images(moved).table, 3).equals(
        draw_splits(plain.table, 3)
    )  # nor the draw on where it lies


def test_permission_denied_is_listed(good, monkeypatch):
    def refuse(path, mode):
        if Path(path).name == "3.JPG":
            raise PermissionError(13, "Permission denied", str(path))
        return open(path, mode)

    monkeypatch.setattr("chip.data.images.open", refuse, raising=False)
    folder = scan_images(good)
    assert folder.rejected["reason"].tolist() == ["permission denied"] * 2
    with pytest.raises(UnreadableImage, match="3.JPG': permission denied"):
        open_image(good / "train/ant/3.JPG")


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything"
)
def test_permission_denied_by_the_system(good, tmp_path):
    scan_images(good, cache=tmp_path / "c.parquet")
    locked, hidden = (
        good / "train/ant/3.JPG",
        fill(good, {"train/bee/more/1.jpg": jpeg(1)}) / "train/bee/more",
    )
    locked.chmod(0), hidden.chmod(0)
    try:
        for cache in (None, tmp_path / "c.parquet"):
            rejected = scan_images(good, cache=cache).rejected
            assert rejected.values.tolist() == [
                ["train/ant/3.JPG", "permission denied"],
                ["train/bee/more", "permission denied"],
            ]
    finally:
        locked.chmod(0o600), hidden.chmod(0o700)


def test_names_that_are_no_text_and_links(good, tmp_path):
    try:
        Path(os.fsdecode(os.fsencode(good / "train/ant") + b"/caf\xe9.jpg")).write_bytes(jpeg(1))
    except OSError:
        pytest.skip("this file system takes only valid text")
    (good / "train/cow").symlink_to(
        fill(tmp_path / "barn", {"1.jpg": jpeg(77)}), target_is_directory=True
    )
    (good / "train/ant/loop").symlink_to(good / "train")
    folder = scan_images(good, cache=tmp_path / "c.parquet")
    assert folder.classes() == ["ant", "bee", "cow"]
    assert (
        folder.rejected["path"].tolist()[0] == "train/ant/caf\\udce9.jpg"
        and "valid text" in folder.rejected["reason"][0]
    )
    folder.rejected.to_csv(tmp_path / "rejected.csv")
    # a link back to train/ passes through other classes' folders, but never through ant again
    assert folder.rejected["reason"].str.startswith("circular").any()


def test_leaks_are_counted(good):
    fill(good, {"test/ant/x.jpg": (good / "train/ant/1.JPG").read_bytes()})
    folder = scan_images(good)
    assert folder.summary().endswith("; 1 picture lies in more than one split")
    assert find_duplicates(folder.table)["path"].tolist() == ["test/ant/x.jpg", "train/ant/1.JPG"]


def test_too_few_images_names_class_and_numbers(good):
    drawn = draw_splits(scan_images(good).table, seed=0)
    with pytest.raises(ValueError, match="n_shot=5 but class 'ant' has 2 training images"):
        draw_shots(drawn, seed=0, n_shot=5)


SCAN = "import sys; from chip.data.images import scan_images; scan_images(sys.argv[1], workers=1, cache=sys.argv[2])"
SLOW = "import time, chip.data.images as i; i._SAVE_EVERY = 5; f = i.inspect_file; i.inspect_file = lambda p: (time.sleep(.05), f(p))[1]; "


def test_a_killed_scan_leaves_a_cache_that_is_whole(good, tmp_path):
    cache = tmp_path / "c.parquet"
    process = subprocess.Popen([sys.executable, "-c", SLOW + SCAN, str(good), str(cache)], cwd=ROOT)
    deadline = time.monotonic() + 60
    while not cache.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert 0 < len(load_cache(cache)) < 26
    assert (
        scan_images(good, cache=cache).table.equals(scan_images(good).table)
        and len(load_cache(cache)) == 26
    )


@pytest.mark.parametrize("damage", [b"", b"not parquet", b"PAR1" + bytes(100) + b"PAR1"])
def test_a_damaged_cache_is_rebuilt(good, tmp_path, damage):
    cache = fill(tmp_path, {"c.parquet": damage}) / "c.parquet"
    assert (
        scan_images(good, cache=cache).table.equals(scan_images(good).table)
        and len(load_cache(cache)) == 26
    )
    pd.DataFrame({"other": [1]}).to_parquet(cache)
    assert len(scan_images(good, cache=cache).table) == 26


@needs_packs
def test_real_photos():
    folder = scan_images(PACKS / "photos")
    assert folder.summary().startswith(
        "624 images of 366 classes and 20 unseen classes used, no file left out"
    )
    assert len(draw_shots(draw_splits(folder.table, seed=1), seed=1)) == 366


@needs_packs
def test_tiny_laid_out_like_ilsvrc(tmp_path):
    with pytest.raises(
        ValueError, match="has no folder train/.*54 folders .* are classes, move them"
    ):
        scan_images(PACKS / "tiny")
    (tmp_path / "train").symlink_to(PACKS / "tiny", target_is_directory=True)
    folder = scan_images(tmp_path)
    counts = draw_splits(folder.table, seed=0).groupby(["label", "split"]).size().unstack()
    assert len(counts) == 54 and counts.drop_duplicates().values.tolist() == [[5, 20, 5]]
