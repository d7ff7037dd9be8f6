"Pictures in many guises, files that are none, folders with something of everything, and draws from them."

import hashlib
import os
import shutil
import tarfile
from collections import Counter
from io import BytesIO
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image, ImageDraw

from chip.data import images
from chip.data.images import (
    ImageFolder,
    UnreadableImage,
    contact_sheet,
    decode_image,
    decoder_reason,
    draw_order,
    draw_shots,
    draw_splits,
    file_state,
    find_duplicates,
    load_cache,
    natural_key,
    not_drawn,
    open_image,
    os_reason,
    read_listed,
    scan_images,
    share_out,
    sort_table,
    to_eight_bits,
    to_rgb,
)


def flag(width=48, height=32):
    "A test picture whose corners are red, green, blue and yellow."
    picture = Image.new("RGB", (width, height), (128, 128, 128))
    draw, w, h = ImageDraw.Draw(picture), width // 2 - 1, height // 2 - 1
    for x, y, colour in (
        (0, 0, (255, 0, 0)),
        (w + 1, 0, (0, 255, 0)),
        (0, h + 1, (0, 0, 255)),
        (w + 1, h + 1, (255, 200, 0)),
    ):
        draw.rectangle((x, y, x + w, y + h), fill=colour)
    return picture


def bytes_of(picture, format, **options):
    "A picture's file content."
    out = BytesIO()
    picture.save(out, format, **options)
    return out.getvalue()


def note(turn):
    "An EXIF block that holds nothing but an orientation."
    exif = Image.Exif()
    exif[0x0112] = turn
    return exif


def furthest(data, expected):
    "Largest difference of any channel of any pixel after a round trip."
    return int(np.abs(np.asarray(decode_image(data, "x"), int) - np.asarray(expected, int)).max())


# ---------------------------------------------------------------------------- what goes wrong


def test_reasons():
    assert os_reason(PermissionError(13, "Permission denied")) == "permission denied"
    assert os_reason(FileNotFoundError(2, "No such file", "/no/such/file")) == "vanished"
    assert os_reason(OSError(5, "Input/output error")) == "input/output error"
    cut = OSError("image file is truncated (7 bytes not processed)")
    assert decoder_reason(cut).startswith("truncated: ")
    assert decoder_reason(EOFError()) == "truncated: EOFError"
    assert decoder_reason(SyntaxError("broken PNG\n file")) == "damaged: broken PNG file"


# ---------------------------------------------------------------------------- guises


def eight(*row):
    return np.asarray(to_eight_bits(Image.fromarray(np.array([row], dtype=np.float32))))[0].tolist()


def test_deep_grey_becomes_eight_bits():
    assert eight(0, 0.2, 1) == [0, 51, 255]  # nominal 0 … 1
    assert eight(0, 51, 255) == [0, 51, 255]  # nominal 0 … 255
    assert eight(-10, 0, 10) == [0, 128, 255]  # own range
    assert eight(np.nan, 300, np.inf, 600) == [0, 0, 255, 255]  # holes black, overflow white
    assert eight(-3, -3) == [0, 0]  # flat and off the range: no division by zero
    assert to_rgb(Image.new("LA", (1, 1), (0, 0))).getpixel((0, 0)) == (255, 255, 255)
    assert to_rgb(Image.new("1", (1, 1), 1)).getpixel((0, 0)) == (255, 255, 255)


ORIGINAL = flag()
GREY = ORIGINAL.convert("L")


def guises() -> dict[str, tuple[bytes, Image.Image, int]]:
    "Content, what it shows, and by how much a channel may differ."
    deep = Image.fromarray(np.asarray(GREY).astype(np.uint16) * 257)
    float_grey = Image.fromarray(np.asarray(GREY).astype(np.float32) / 255)
    clear = ORIGINAL.convert("RGBA")
    clear.putalpha(Image.new("L", ORIGINAL.size, 255))
    cmyk, black = ORIGINAL.convert("CMYK"), Image.new("RGB", ORIGINAL.size)
    turned = ORIGINAL.transpose(Image.Transpose.ROTATE_90)
    best = {"quality": 95, "subsampling": 0}
    exact = {
        "PNG": bytes_of(ORIGINAL, "PNG"),
        "BMP": bytes_of(ORIGINAL, "BMP"),
        "WebP": bytes_of(ORIGINAL, "WEBP", lossless=True),
        "TIFF": bytes_of(ORIGINAL, "TIFF"),
        "palette": bytes_of(ORIGINAL.quantize(8), "PNG"),
        "GIF, 2 frames": bytes_of(ORIGINAL, "GIF", save_all=True, append_images=[black]),
        "alpha": bytes_of(clear, "PNG"),
        "turned TIFF": bytes_of(turned, "TIFF", exif=note(6)),
    }
    lossy = {
        "JPEG": bytes_of(ORIGINAL, "JPEG", **best),
        "progressive": bytes_of(ORIGINAL, "JPEG", progressive=True, **best),
        "CMYK (Adobe)": bytes_of(cmyk, "JPEG", quality=95),
        "CMYK TIFF": bytes_of(cmyk, "TIFF"),
    }
    grey = {
        "grey JPEG": bytes_of(GREY, "JPEG", quality=95),
        "grey + alpha": bytes_of(GREY.convert("LA"), "PNG"),
        "16 bits PNG": bytes_of(deep, "PNG"),
        "16 bits TIFF": bytes_of(deep, "TIFF"),
        "float TIFF": bytes_of(float_grey, "TIFF"),
    }
    one_bit = bytes_of(GREY.point(lambda v: 255 * (v > 127)).convert("1"), "PNG")
    assert b"Adobe" in lossy["CMYK (Adobe)"]  # that marker means: the inks are stored inverted
    shown = {name: (data, ORIGINAL, 0) for name, data in exact.items()}
    shown |= {name: (data, ORIGINAL, 12) for name, data in lossy.items()}
    shown |= {name: (data, GREY.convert("RGB"), 3) for name, data in grey.items()}
    return shown | {"1 bit": (one_bit, GREY.convert("RGB"), 130)}


GUISES = guises()


@pytest.mark.parametrize("name", GUISES)
def test_every_guise_shows_the_same_picture(name):
    data, expected, tolerance = GUISES[name]
    assert furthest(data, expected) <= tolerance


@pytest.mark.parametrize("turn", images._TURNS)
def test_a_picture_is_turned_upright_once(turn):
    undo = images._TURNS[turn]  # the note says what to do to the stored picture: store the opposite
    back = {
        Image.Transpose.ROTATE_90: Image.Transpose.ROTATE_270,
        Image.Transpose.ROTATE_270: Image.Transpose.ROTATE_90,
    }.get(undo, undo)
    stored = ORIGINAL.transpose(back)
    assert furthest(bytes_of(stored, "PNG", exif=note(turn)), ORIGINAL) == 0
    turned = decode_image(bytes_of(stored, "JPEG", exif=note(turn)), "x")
    assert turned.size == ORIGINAL.size and turned.getexif().get(0x0112, 1) == 1


# ---------------------------------------------------------------------------- no pictures


def why(data, **options):
    "The reason that `decode_image` gives, or None."
    try:
        return decode_image(data, "x.jpg", **options) and None
    except UnreadableImage as error:
        return error.reason.split(":")[0]


NOISY = Image.fromarray(np.random.default_rng(0).integers(0, 256, (96, 128, 3), dtype=np.uint8))


def test_no_picture_at_all():
    assert why(b"") == "empty"
    assert why(b"<html><body>404</body></html>") == "not an image"
    assert why(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n") == "not an image"
    for begin, kind in (
        (b"\0\0\0\x18ftypheic", "HEIC"),
        (b"\0\0\0\x20ftypisom", "a video"),
        (b"%PDF-1.7", "a document"),
        *((begin, "an archive") for begin in (b"PK\3\4", b"\x1f\x8b", b"BZh9", b"\xfd7zXZ\0")),
        (tarfile.TarInfo("cat.jpg").tobuf(), "an archive"),
        (b"\n<!DOCTYPE html>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1", "git lfs pull"),
    ):
        with pytest.raises(UnreadableImage, match=f"not an image: .*{kind}"):
            decode_image(begin + b"...", "x.jpg")
    bomb = bytes_of(Image.new("1", (20000, 20000)), "PNG")
    assert why(bomb) == "too large" and len(bomb) < 10**6
    with pytest.raises(UnreadableImage, match="cannot read '/no/such/cat.jpg': vanished"):
        open_image("/no/such/cat.jpg")


@pytest.mark.parametrize("format", ("JPEG", "progressive", "PNG", "GIF", "TIFF", "BMP", "WEBP"))
def test_a_cut_file_is_noticed(format):
    if format == "progressive":
        data = bytes_of(NOISY, "JPEG", progressive=True)
    else:
        data = bytes_of(NOISY, format)
    assert why(data) is None and why(data, at_least=1) is None
    for kept in (0.05, 0.3, 0.6, 0.9):
        assert why(data[: int(kept * len(data))]) in {"truncated", "damaged", "not an image"}


def test_the_reduced_decoding_notices_every_cut():
    jpeg = bytes_of(NOISY, "JPEG")
    for cut in [*range(1, 40), *range(40, len(jpeg), 97)]:
        assert why(jpeg[:-cut]) == why(jpeg[:-cut], at_least=1), cut
    assert why(jpeg[:-200]) == "truncated"


# ---------------------------------------------------------------------------- a sheet


@pytest.fixture
def closing():
    yield
    plt.close("all")


def test_titles_of_a_sheet_keep_apart(closing):
    pictures = [decode_image(data, name) for name, (data, *_) in GUISES.items()]
    sheet = contact_sheet(pictures, list(GUISES), n_columns=6)
    assert len(sheet.images) == len(sheet.texts) == len(GUISES)
    renderer = FigureCanvasAgg(sheet.figure).get_renderer()
    boxes = [text.get_window_extent(renderer) for text in sheet.texts]
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
    assert sheet.get_aspect() == 1.0


def test_odd_sheets(closing):
    sheet = contact_sheet([ORIGINAL, None, ORIGINAL], ["a", "no picture here", "b"], 3)
    assert len(sheet.images) == 2 and len(sheet.texts) == 3
    assert len(contact_sheet([]).images) == 0  # nothing to show is no reason to fail
    with pytest.raises(ValueError, match="1 titles for 2 pictures"):
        contact_sheet([ORIGINAL, ORIGINAL], ["a"])
    with pytest.raises(UnreadableImage, match="vanished"):
        contact_sheet(["/no/such/cat.jpg"])


# ---------------------------------------------------------------------------- tables


def test_paths_are_sorted_as_people_count():
    names = ["0.jpg", "02.jpg", "2.jpg", "10.jpg", "a.jpg"]
    assert sorted(["10.jpg", "2.jpg", "a.jpg", "02.jpg", "0.jpg"], key=natural_key) == names
    numbers = np.random.default_rng(0).integers(0, 10**6, 300).tolist()
    by_key = sorted((f"x{n}y.png" for n in numbers), key=natural_key)
    assert by_key == [f"x{n}y.png" for n in sorted(numbers)]


def test_rows_are_sorted_by_split_class_and_path():
    paths = ["unseen/k/1", "train/b/10", "train/b/9", "train/a/1", "val/a/1"]
    parts = [path.split("/") for path in paths]
    mixed = pd.DataFrame(
        {"path": paths, "label": [p[1] for p in parts], "split": [p[0] for p in parts]}
    )
    ordered = sort_table(mixed)
    assert ordered["path"].tolist() == [paths[i] for i in (3, 2, 1, 4, 0)]
    assert ordered.index.tolist() == [0, 1, 2, 3, 4]


def test_copies_leaks_and_summaries():
    paths = ["train/a/1.jpg", "train/a/2.jpg", "test/a/1.jpg", "unseen/k/1.jpg", "unseen/k/2.jpg"]
    toy = pd.DataFrame({"path": paths, "label": list("aaakk"), "bytes": 5, "sha256": list("xyxzz")})
    toy["split"] = [path.split("/")[0] for path in paths]
    rejected = ["truncated: 2 bytes", "empty", "truncated: 9 bytes"]
    out = pd.DataFrame({"path": [f"train/a/{i}.jpg" for i in (3, 4, 5)], "reason": rejected})
    folder = ImageFolder(Path("DIR"), toy, out)
    assert folder.summary() == (
        "5 images of 1 class and 1 unseen class used, 3 files left out: 2 truncated, 1 empty; "
        "1 picture lies in more than one split"
    )
    alone = ImageFolder(Path("DIR"), toy[1:2], out[:0])
    assert alone.summary() == "1 image of 1 class used, no file left out"
    copies = find_duplicates(toy)
    assert copies["path"].tolist() == [paths[2], paths[0], paths[3], paths[4]]
    assert copies["leak"].tolist() == [True, True, False, False]
    assert find_duplicates(toy[1:2]).empty and "leak" in find_duplicates(toy[1:2])
    assert folder.classes("unseen") == ["k"]


# ---------------------------------------------------------------------------- folders


def small(i):
    "A small JPEG that differs from the others."
    picture = Image.new("RGB", (40 + i, 30), (5 * i, 90, 90))
    ImageDraw.Draw(picture).rectangle((0, 0, 15, 15), fill="white")
    return bytes_of(picture, "JPEG")


def put(path, data):
    "Write a file, and the folders it needs."
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


REASONS = {
    "loose.jpg": "stray",
    "validation": "stray",
    "train/stray.jpg": "stray",
    "train/bee/empty.jpg": "empty",
    "train/bee/page.jpg": "not an image",
    "train/bee/cut.jpg": "truncated",
    "train/bee/notes.txt": "not a picture's suffix",
    "train/bee/pipe.jpg": "not a regular file",
    "train/cow/gone.jpg": "broken link",
    "train/cow/round": "circular link",
}


@pytest.fixture
def root(tmp_path):
    "A folder with something of everything: links, upper-case names, and one of each kind of trouble."
    zoo = tmp_path / "zoo"
    for i in range(12):
        put(zoo / f"train/ant/{i}.jpg", small(i))
    put(zoo / "train/bee/BEE.JPEG", small(20))
    put(zoo / "train/cow/images/deep.PNG", bytes_of(flag(), "PNG"))
    put(zoo / "unseen/kiwi/1.webp", bytes_of(flag(30, 30), "WEBP"))
    (zoo / "train/cow/linked.jpg").symlink_to(put(tmp_path / "elsewhere.jpg", small(21)))
    (zoo / "train/cow/round").symlink_to(zoo / "train/cow")
    (zoo / "train/cow/gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    put(zoo / "taxonomy.csv", b"key,name\n")
    for name in ("loose.jpg", "validation/ant/1.jpg", "train/stray.jpg"):
        put(zoo / name, small(1))
    put(zoo / "train/bee/empty.jpg", b"")
    put(zoo / "train/bee/page.jpg", b"<html>404</html>")
    put(zoo / "train/bee/cut.jpg", bytes_of(NOISY, "JPEG")[:-300])
    for name in ("notes.txt", ".DS_Store", "Thumbs.db"):
        put(zoo / "train/bee" / name, b"...")
    os.mkfifo(zoo / "train/bee/pipe.jpg")
    return zoo


def scan(root, **options):
    return scan_images(root, progress=False, **options)


def test_a_folder_with_something_of_everything(root):
    zoo = scan(root)
    assert zoo.summary() == (
        "16 images of 3 classes and 1 unseen class used, 10 files left out: 3 stray, "
        "1 broken link, 1 circular link, 1 empty, 1 not a picture's suffix, 1 not a regular file, "
        "1 not an image, 1 truncated"
    )
    reasons = [reason.split(":")[0] for reason in zoo.rejected["reason"]]
    assert dict(zip(zoo.rejected["path"], reasons, strict=True)) == REASONS
    assert zoo.table["path"].tolist()[9:] == [
        "train/ant/9.jpg",
        "train/ant/10.jpg",
        "train/ant/11.jpg",
        "train/bee/BEE.JPEG",
        "train/cow/images/deep.PNG",
        "train/cow/linked.jpg",
        "unseen/kiwi/1.webp",
    ]
    last = zoo.table.iloc[-1]
    assert last["sha256"] == hashlib.sha256((root / last["path"]).read_bytes()).hexdigest()
    assert last["bytes"] == (root / last["path"]).stat().st_size
    assert all(open_image(root / path).mode == "RGB" for path in zoo.table["path"])


def test_nothing_is_lost(root):
    zoo = scan(root)
    listed = set(zoo.table["path"]) | set(zoo.rejected["path"])
    files = [path for path in root.rglob("*") if not path.is_dir() or path.is_symlink()]
    on_disk = {path.relative_to(root).as_posix() for path in files}
    hidden = {"train/bee/.DS_Store", "train/bee/Thumbs.db"}
    assert on_disk - listed == {"taxonomy.csv", "validation/ant/1.jpg"} | hidden
    assert listed - on_disk == {"validation"}


def test_some_of_the_classes_only(root):
    zoo, few = scan(root), scan(root, classes=["ant", "cow", "dodo"])
    assert few.classes() == ["ant", "cow"] and few.classes("unseen") == ["kiwi"]
    assert few.table.equals(sort_table(zoo.table[zoo.table["label"] != "bee"]))
    assert few.rejected.set_index("path")["reason"]["train/bee"] == "a class that was not asked for"
    message = "holds no class folder that was asked for, but 3 other classes"
    with pytest.raises(ValueError, match=message):
        scan(root, classes=["dodo"])


def test_a_cache_opens_only_what_is_new(root, tmp_path, monkeypatch):
    cache, opened, real = tmp_path / "made" / "scan.parquet", [], images.inspect_file

    def counting(full):
        opened.append(full)
        return real(full)

    def rescan():
        opened.clear()
        return scan(root, cache=cache), len(opened)

    monkeypatch.setattr(images, "inspect_file", counting)
    zoo, bad = scan(root), 3  # empty, not an image, truncated: opened each time
    for expected in (len(zoo.table) + bad, bad):
        again, n = rescan()
        assert again.table.equals(zoo.table) and again.rejected.equals(zoo.rejected)
        assert n == expected
    put(root / "train/ant/0.jpg", small(30))
    changed, n = rescan()
    assert n == bad + 1
    others = [False] * (len(zoo.table) - 1)
    assert changed.table["sha256"].ne(zoo.table["sha256"]).tolist() == [True, *others]
    put(root / "train/ant/0.jpg", small(0))
    for damage in (b"", b"PAR1", cache.read_bytes()[:-9]):
        cache.write_bytes(damage)
        again, n = rescan()
        assert again.table.equals(zoo.table) and n == len(zoo.table) + bad
    assert [path.name for path in cache.parent.iterdir()] == [cache.name]  # nothing left aside
    shutil.copytree(root / "train/ant", tmp_path / "farm/train/ant")
    scan(tmp_path / "farm", cache=cache)
    assert len(load_cache(cache)) == len(zoo.table) + 12  # one file may serve several folders


def test_what_was_done_before_ctrl_c_is_not_lost(root, tmp_path, monkeypatch):
    calls, real = iter(range(100)), images.inspect_file

    def interrupted(full):
        if next(calls) == 5:
            raise KeyboardInterrupt
        return real(full)

    monkeypatch.setattr(images, "inspect_file", interrupted)
    with pytest.raises(KeyboardInterrupt):
        scan(root, workers=1, cache=tmp_path / "c.parquet")
    assert 0 < len(load_cache(tmp_path / "c.parquet")) < 16


def complaint(root):
    "The text of the error that a folder gives."
    with pytest.raises(ValueError) as caught:
        scan(root)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_same_pictures_as_tar_files(root, tmp_path):
    packed = tmp_path / "packed"
    for folder in sorted(path for path in root.glob("*/*") if path.is_dir()):
        (packed / folder.parent.name).mkdir(parents=True, exist_ok=True)
        with tarfile.open(packed / folder.parent.name / f"{folder.name}.tar", "w") as file:
            file.add(folder, ".")
    unpacked, fromtars = scan(root).table, scan(packed).table
    unpacked = unpacked[unpacked["path"] != "train/cow/linked.jpg"]  # no link's target in a tar
    content = ["split", "label", "sha256", "bytes"]
    pairs = [t[content].sort_values(content, ignore_index=True) for t in (fromtars, unpacked)]
    assert pairs[0].equals(pairs[1])
    inside = packed / fromtars["path"].iloc[0]
    same = root / unpacked.set_index("sha256")["path"][fromtars["sha256"].iloc[0]]
    assert ".tar/" in str(inside) and np.array_equal(open_image(inside), open_image(same))
    assert file_state(inside)[0] == fromtars["bytes"].iloc[0]
    for _ in range(2):
        assert scan(packed, cache=tmp_path / "c.parquet").table.equals(fromtars)
    with pytest.raises(UnreadableImage, match="vanished"):
        open_image(packed / "train/bee.tar/none.jpg")
    assert scan(packed, classes={"bee"}).classes("train") == ["bee"]
    (packed / "train/bee.tar").write_bytes((packed / "train/bee.tar").read_bytes()[:700])
    assert complaint(packed).startswith("class 'bee' in ")
    for tar in packed.glob("*/*.tar"):
        tar.write_bytes(b"no tar file at all")
    assert "not a whole tar file" in complaint(packed)


# ---------------------------------------------------------------------------- draws


def test_shares():
    both = {"test": 5, "val": 5}
    assert share_out(10, both) == share_out(99, both) == both
    shares = [tuple(share_out(n, both).values()) for n in (0, 1, 2, 3, 9)]
    assert shares == [(0, 0), (1, 0), (1, 1), (2, 1), (5, 4)]
    assert share_out(6, {"test": 1, "val": 5}) == {"test": 1, "val": 5}
    assert share_out(3, {"val": 5}) == {"val": 3} and share_out(3, {}) == {}


def test_orders_depend_on_names_alone():
    assert len({tuple(draw_order("abc", seed, "x")) for seed in range(50)}) == 6  # all turn up
    assert draw_order(["c", "b", "a"], 3, "x") == draw_order("abc", 3, "x")


def test_splits_of_a_folder(root):
    table = scan(root).table
    drawn = draw_splits(table, seed=0)
    assert drawn.groupby(["label", "split"]).size().to_dict() == {
        ("ant", "train"): 2,
        ("ant", "val"): 5,
        ("ant", "test"): 5,
        ("bee", "train"): 1,
        ("cow", "train"): 1,
        ("cow", "test"): 1,
        ("kiwi", "unseen"): 1,
    }
    assert sorted(drawn["path"]) == sorted(table["path"])
    assert not table["split"].eq("test").any()  # the input is not touched
    assert drawn.equals(draw_splits(table.sample(frac=1, random_state=1), seed=0))
    assert any(not drawn.equals(draw_splits(table, seed)) for seed in (1, 2))
    ants = draw_splits(table[table["label"] == "ant"], seed=0)  # nor do other classes matter
    assert ants.equals(sort_table(drawn[drawn["label"] == "ant"]))
    assert draw_splits(drawn, seed=5).equals(drawn)  # splits that are there are kept
    half = draw_splits(drawn.replace({"split": {"val": "train"}}), seed=0)
    tested = [set(t.query("split == 'test'")["path"]) for t in (half, drawn)]
    assert tested[0] == tested[1] and half["split"].eq("val").sum() == 5
    with pytest.raises(ValueError, match="n_val=-1: expected 0 or more"):
        draw_splits(table, 0, n_val=-1)


@pytest.fixture
def twins():
    "Twelve pictures of one class, the first two of them the same."
    paths = [f"train/a/{i}" for i in range(12)]
    table = pd.DataFrame({"path": paths, "label": "a", "split": "train", "bytes": 1})
    return table.assign(sha256=["same", "same", *map(str, range(10))])


def test_copies_stay_together(twins):
    for seed in range(20):
        after = draw_splits(twins, seed)
        assert not find_duplicates(after)["leak"].any()
        assert after["split"].value_counts().to_dict() == {"val": 5, "test": 5, "train": 2}
    assert set(draw_splits(twins.assign(sha256="same"), 0)["split"]) == {"train"}


def test_draws_are_even_and_stable(twins):
    single, often = twins.assign(sha256=twins["path"]), Counter()
    for seed in range(20):
        fewer, more = (draw_splits(rows, seed) for rows in (single[1:], single))
        fewer, more = fewer.set_index("path")["split"], more.set_index("path")["split"]
        assert (more[fewer.index] != fewer).sum() <= 2
    for seed in range(400):
        often.update(draw_splits(single, seed).query("split == 'train'")["path"])
    assert len(often) == 12 and all(30 < n < 110 for n in often.values())  # about 67 of 400 each


def test_shots(root, twins):
    drawn = draw_splits(scan(root).table, seed=0)
    shots = draw_shots(drawn, seed=0)
    assert shots["label"].tolist() == ["ant", "bee", "cow"] and shots["split"].eq("train").all()
    ants = set(drawn.query("label == 'ant' and split == 'train'")["path"])
    assert {draw_shots(drawn, seed)["path"].iloc[0] for seed in range(20)} == ants
    assert len(draw_shots(twins, 0, n_shot=3)) == 3
    assert len(draw_shots(drawn, seed=0, n_shot=0)) == (drawn["split"] == "train").sum()
    some = drawn.query("label == 'ant'")
    assert set(not_drawn(some, [0])["path"]) == ants - set(shots["path"])
    with pytest.raises(ValueError, match="prototype=others, but every training image of class"):
        not_drawn(drawn, [0])
    with pytest.raises(ValueError, match="n_shot=2 but class 'bee' has 1 training image"):
        draw_shots(drawn, seed=0, n_shot=2)
    with pytest.raises(ValueError, match="n_shot=-1: expected 1 or more"):
        draw_shots(drawn, seed=0, n_shot=-1)


# ---------------------------------------------------------------------------- feeding


def test_a_changed_file_is_named(root):
    path = root / "train/ant/0.jpg"
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    assert read_listed(path, sha256) == path.read_bytes()
    put(path, small(30))
    with pytest.raises(UnreadableImage, match="changed since it was listed") as caught:
        read_listed(path, sha256)
    assert caught.value.path == str(path)
