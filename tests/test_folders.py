"What people's real folders hold: links, droppings, odd names, deep grey, damage, and what a run makes of it."

import os
import random
import signal
import subprocess
import unicodedata
from io import BytesIO

import numpy as np
import pandas as pd
import pytest
from PIL import Image, TiffImagePlugin

from chip.core.settings import Run
from chip.data.images import (
    FORMATS,
    UnreadableImage,
    check_layout,
    decode_image,
    faintness,
    list_files,
    nearest_name,
    open_image,
    paths_read,
    scan_images,
    unused,
)
from chip.data.tables import TableError, csv_text, read_names, read_user_table
from chip.data.taxonomy import TaxonomyError, load_taxonomy, place_classes
from chip.hierarchy import read_hierarchy
from chip.running.runs import Contents, Refused, check_images

ODD_NAMES = [
    *("0001", "007", "1e5", "nan", "NA", "null", "None", "True", "-", "inf", "1.0", "a b", " c "),
    *('say "a"', "it's", "a,b", "a;b", "a\nb", "a\rb", "a\tb", "#1", "=1+1", "Bär", "魚", "a|b"),
]


def picture(seed, format="PNG", size=(24, 16), **options):
    "A picture's content, another for each seed."
    pixels = np.random.default_rng(seed).integers(0, 256, (*size[::-1], 3), dtype=np.uint8)
    out = BytesIO()
    Image.fromarray(pixels).save(out, format, **options)
    return out.getvalue()


def put(path, data=b""):
    "Write a file, and the folders it needs."
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


@pytest.fixture
def root(tmp_path):
    "Three classes of two pictures, one unseen class."
    for i, name in enumerate(("train/ant", "train/bee", "train/cow", "unseen/dog")):
        for k in range(2):
            put(tmp_path / "zoo" / name / f"{k}.png", picture(10 * i + k))
    return tmp_path / "zoo"


def scan(root):
    return scan_images(root, progress=False)


def fingerprint(root):
    return Contents().folder(str(root))


# ---------------------------------------------------------------------------- what is read


def test_links_that_lead_back_end(root):
    before = fingerprint(root)
    for name in ("ant", "bee", "cow"):
        (root / "train" / name / "all").symlink_to("..")
        (root / "train" / name / "top").symlink_to(root)
    zoo = scan(root)
    assert zoo.rejected["reason"].tolist() == ["circular link"] * 6 and len(zoo.table) == 8
    assert fingerprint(root) == before


def test_links_among_all_classes_are_no_maze(tmp_path):
    names = [f"kind{i:02d}" for i in range(10)]
    for i, name in enumerate(names):
        put(tmp_path / "train" / name / "deep" / "1.png", picture(i))
        for other in names:
            (tmp_path / "train" / name / f"to-{other}").symlink_to(tmp_path / "train" / other)
    candidates, rejected = list_files(tmp_path)
    assert len(candidates) == 10 * 10 and len(rejected) < 10 * 10 * 11
    assert f"train/{names[0]}/deep/1.png" in {c.path for c in candidates}


def test_the_fingerprint_is_what_the_scan_reads(root):
    put(root / "taxonomy.csv", b"key,hypernyms\nant,animal\n")
    (root / "train/ant/linked.png").symlink_to(put(root.parent / "far.png", picture(99)))
    zoo = scan(root)
    assert paths_read(root) == sorted([*zoo.table["path"], "taxonomy.csv"])
    assert paths_read(root, ["bee"]) == sorted(
        ["taxonomy.csv", *(p for p in zoo.table["path"] if "/bee/" in p or "unseen/" in p)]
    )
    before = fingerprint(root)
    put(root.parent / "far.png", picture(98))
    linked = fingerprint(root)
    put(root / "taxonomy.csv", b"key,hypernyms\nant,insect\n")
    placed = fingerprint(root)
    put(root / "train/ant/new.png", picture(50))
    assert len({before, linked, placed, fingerprint(root)}) == 4


DROPPINGS = [
    ".DS_Store",
    "._1.png",
    ".hidden.png",
    "Thumbs.db",
    "ehthumbs.db",
    "desktop.ini",
    "1.png~",
    "#1.png#",
    ".#1.png",
    "~$1.png",
    ".directory",
    ".@__thumb",
    "picasa.ini",
    "1.png:Zone.Identifier",
    ".1.png.swp",
] + ["Icon\r"]
SYSTEM_FOLDERS = ("@eaDir", "__MACOSX", ".ipynb_checkpoints", "$RECYCLE.BIN", "lost+found", ".git")


def test_droppings_are_neither_read_nor_counted(root):
    before, clean = fingerprint(root), scan(root)
    for folder in (root, root / "train", root / "train/ant", root / "unseen/dog"):
        for name in DROPPINGS:
            put(folder / name, picture(7))
        for name in SYSTEM_FOLDERS:
            put(folder / name / "1.png", picture(8))
    again = scan(root)
    assert again.table.equals(clean.table) and again.rejected.empty
    assert again.summary() == clean.summary()
    assert fingerprint(root) == before
    said = []
    assert check_images(str(root), say=said.append) and said == []


def test_what_is_not_read_changes_nothing(root):
    before = fingerprint(root)
    for name in ("README.md", "validation/ant/1.png", "train/ant/notes.txt", "train/labels.csv"):
        put(root / name, b"words")
    assert fingerprint(root) == before


def test_nothing_that_waits_is_opened(root):
    for name in ("ant/pipe.png", "ant/pipe", "taxonomy"):
        os.mkfifo(root / "train" / name)
    (root / "train/bee/zero.png").symlink_to("/dev/zero")
    os.mkfifo(root / "taxonomy.csv")
    signal.alarm(100)  # ends the test, whatever waits
    fingerprint(root)
    reasons = scan(root).rejected.set_index("path")["reason"]
    assert reasons[["train/ant/pipe.png", "train/bee/zero.png"]].eq("not a regular file").all()
    with pytest.raises(UnreadableImage, match="not a regular file"):
        open_image(root / "train/ant/pipe.png")
    with pytest.raises(FileNotFoundError, match="no taxonomy at"):
        place_classes(["ant"], root)
    with pytest.raises(ValueError, match="no regular file"):
        read_hierarchy(root / "taxonomy.csv", ["ant"])
    signal.alarm(0)


# ---------------------------------------------------------------------------- what is not used


@pytest.mark.parametrize(
    "name, near",
    [
        *(("validation", "val"), ("valid", "val"), ("Train", "train"), ("tests", "test")),
        *(("un-seen", "unseen"), ("UNSEEN", "unseen"), ("trian", "train"), ("val_", "val")),
        *(("images", ""), ("notes", ""), ("Taxonomy.CSV", "taxonomy.csv"), ("models", "")),
    ],
)
def test_the_nearest_name(name, near):
    assert nearest_name(name) == near


def test_what_is_not_used_is_said_before_the_run(root):
    for name in ("validation/ant/1.png", "tests/ant/1.png", "more/1.png", "loose.jpg", "val.zip"):
        put(root / name, picture(1))
    put(root / "train/ant/notes.txt", b"words")
    put(root / "taxonomy.tsv", b"key\thypernyms\n")
    said = []
    check_images(str(root), say=said.append)
    text = "\n".join(said)
    assert "'validation' is not used" in text and "is 'val' meant?" in text
    assert "'tests' is not used" in text and "is 'test' meant?" in text
    assert "1 file is not used: 1 not a picture's suffix (such as train/ant/notes.txt)" in text
    assert len(unused(list_files(root)[1], most=99)) == 7 and "'taxonomy.tsv'" in "".join(
        unused(list_files(root)[1], most=99)
    )


@pytest.mark.parametrize(
    "files, advice",
    [
        (("ant/1.png", "bee/1.png"), r"mkdir \S*zoo-study; ln -s \S*zoo \S*zoo-study/train"),
        (
            ("1.png", "2.JPG"),
            r"mkdir -p \S*zoo/train/CLASS; mv \S*/\*.JPG \S*/\*.png \S*/train/CLASS",
        ),
        (("unseen/ant/1.png",), r"mkdir \S*zoo/train; mv \S*zoo/unseen/CLASS \S*zoo/train"),
        (("Train/ant/1.png",), r"is its folder 'Train' meant\? mv \S*zoo/Train \S*zoo/train"),
        (("data/train/ant/1.png",), r"its folder 'data' has one: is '\S*zoo/data' meant"),
        (("../train/ant/1.png", "kiwi/1.png"), r"is the folder above it meant, '\S*'\?"),
    ],
)
def test_how_to_lay_it_out(tmp_path, files, advice):
    for name in files:
        put(tmp_path / "zoo" / name, picture(1))
    with pytest.raises(ValueError, match=advice):
        check_layout(tmp_path / "zoo")
    if "mv" in advice or "ln -s" in advice:
        with pytest.raises(ValueError) as caught:
            check_layout(tmp_path / "zoo")
        commands = str(caught.value).rpartition("meant? ")[2] if "meant" in advice else ""
        commands = commands or str(caught.value).rpartition(": ")[2].partition("; then use")[0]
        commands = commands.removesuffix(")").replace("unseen/CLASS", "unseen/ant")
        subprocess.run(commands, shell=True, check=True)
        study = tmp_path / "zoo-study"
        check_layout(study if study.exists() else tmp_path / "zoo")


def test_a_class_instead_of_the_folder(tmp_path):
    put(tmp_path / "train" / "ant" / "1.png", picture(1))
    with pytest.raises(ValueError, match=f"is the folder above it meant, '{tmp_path}'"):
        check_layout(tmp_path / "train" / "ant")


def test_classes_without_pictures_and_bad_taxonomies_are_refused_at_once(root):
    (root / "train/empty").mkdir()
    with pytest.raises(Refused, match="class 'empty' in .*0 usable images"):
        check_images(str(root))
    (root / "train/empty").rmdir()
    put(root / "taxonomy.csv", b"key,name\nant,Ant\n")
    with pytest.raises(Refused, match="line 1: no column for the chains.*widest.*hypernyms"):
        check_images(str(root))
    put(root / "taxonomy.csv", b"key,hypernyms\nant,animal > ant\nbee,animal > bee\n")
    said = []
    check_images(str(root), say=said.append)
    assert said == ["taxonomy.csv has no line for 2 of 4 classes: 'cow', 'dog'"]


# ---------------------------------------------------------------------------- pictures


def as_file(values, name, **options):
    out = BytesIO()
    Image.fromarray(values).save(out, name, **options)
    return out.getvalue()


def shown(data):
    "The grey values that an encoder gets."
    return np.asarray(decode_image(data, "x"))[..., 0]


def tags(**values):
    "TIFF tags by name."
    info = TiffImagePlugin.ImageFileDirectory_v2()
    numbers = {"MaxSampleValue": 281, "PhotometricInterpretation": 262}
    for name, value in values.items():
        info[numbers[name]] = value
    return info


@pytest.mark.parametrize("format", ["PNG", "TIFF"])
@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_deep_grey_shows(format, bits):
    ramp = np.linspace(0, 2**bits - 1, 256).round().astype(np.uint16).reshape(16, 16)
    assert np.abs(shown(as_file(ramp, format)).ravel() - np.arange(256.0)).max() <= 1


@pytest.mark.parametrize("low, high", [(7000, 9000), (30000, 31000), (65000, 65535)])
def test_a_small_range_is_stretched(low, high):
    values = np.random.default_rng(0).integers(low, high, (40, 40)).astype(np.uint16)
    grey = shown(as_file(values, "PNG"))
    assert np.percentile(grey, 95) - np.percentile(grey, 5) > 150
    assert np.corrcoef(grey.ravel(), values.ravel())[0, 1] > 0.99


def test_floats_and_whole_numbers_show():
    ramp = np.linspace(0, 1, 256, dtype=np.float32).reshape(16, 16)
    for scale, shift in ((1, 0), (255, 0), (0.01, 0), (10, 20), (5000, 0), (2, -1)):
        grey = shown(as_file(ramp * np.float32(scale) + np.float32(shift), "TIFF"))
        assert grey.min() == 0 and grey.max() == 255, (scale, shift)
    grey = shown(as_file((ramp * 255).astype(np.int32), "TIFF"))
    assert grey.max() == 255 and len(np.unique(grey)) > 250


def test_what_the_file_states_is_its_white():
    dark = np.tile(np.arange(0, 1024, 4, dtype=np.uint16), (4, 1))  # a quarter of twelve bits
    assert shown(as_file(dark, "TIFF", tiffinfo=tags(MaxSampleValue=4095))).max() == 64
    assert shown(as_file(dark, "TIFF")).max() == 254  # ten bits hold it
    inverted = shown(as_file(dark, "TIFF", tiffinfo=tags(PhotometricInterpretation=0)))
    assert inverted[0, 0] == 255 and inverted[0, -1] == 1


def test_eight_bits_are_let_alone():
    for mode in ("RGB", "L", "P", "RGBA", "CMYK", "1"):
        image = Image.open(BytesIO(picture(3))).convert(mode)
        out = BytesIO()
        image.save(out, "TIFF")
        plain = Image.open(BytesIO(out.getvalue()))
        if mode == "RGBA":
            plain = Image.alpha_composite(Image.new("RGBA", plain.size, "white"), plain)
        assert np.array_equal(decode_image(out.getvalue(), "x"), plain.convert("RGB")), mode


def test_pictures_that_show_nothing_are_named(root):
    for name, colour in (("a", (3, 3, 3)), ("b", (250, 255, 252)), ("c", (90, 20, 10))):
        Image.new("RGB", (30, 20), colour).save(root / f"train/ant/{name}.png")
    Image.new("RGB", (30, 20)).save(root / "train/ant/d.jpg")
    cache = root.parent / "cache.parquet"
    for _ in range(2):
        zoo = scan_images(root, progress=False, cache=cache)
        assert zoo.summary().endswith(
            "; 2 pictures are nearly black (train/ant/a.png, train/ant/d.jpg); 1 picture is nearly "
            "white (train/ant/b.png); 1 picture is of one colour (train/ant/c.png)"
        )
        assert len(zoo.table) == 12
    assert faintness(decode_image(picture(1), "x")) == ""


def test_content_decides_not_the_suffix(root):
    suffixes = (".jfif", ".jpe", ".jif", ".JPG", ".JFIF", "", ".bak", ".jpg_large", ".txt")
    for i, suffix in enumerate(suffixes):
        put(root / f"train/ant/x{i}{suffix}", picture(100 + i, "JPEG"))
    for i, format in enumerate(FORMATS):
        put(root / f"train/bee/y{i}.jpg", picture(200 + i, format))
    for name in ("notes.txt", "list", "BMW.md", "clip.mp4"):
        put(root / f"train/cow/{name}", b"BM words of many a kind, no picture")
    put(root / "train/cow/raw.nef", picture(300, "TIFF"))  # a camera's raw file begins as a TIFF
    zoo = scan(root)
    assert zoo.table["label"].value_counts()[["ant", "bee", "cow"]].tolist() == [11, 8, 2]
    assert zoo.rejected["reason"].str.startswith("not a picture's suffix").all()
    assert len(zoo.rejected) == 5


def damaged(seed):
    "A picture in one of six formats, damaged in one of five ways."
    rng = random.Random(seed)
    format = FORMATS[seed % 6]
    data, other = (bytearray(picture(rng.randrange(99), format, (48, 32))) for _ in range(2))
    at, n = rng.randrange(len(data)), rng.randrange(1, 60)
    way = seed // 6 % 5
    if way == 0:
        return data[:at]
    if way == 1:
        for _ in range(n):
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        return data
    if way == 2:
        data[at : at + n] = bytes(len(data[at : at + n]))
        return data
    if way == 3:
        return data[:at] + other[rng.randrange(len(other)) :]
    return data[:at] + rng.randbytes(n) + data[at:]


@pytest.mark.filterwarnings("ignore")  # Pillow's, on what it finds odd in a damaged file
def test_damaged_pictures_are_used_or_named(root):
    for seed in range(500):
        suffix = FORMATS[seed % 6].lower()
        put(root / f"train/ant/d{seed}.{suffix}", bytes(damaged(seed)))
    zoo = scan(root)
    listed = [*zoo.table["path"], *zoo.rejected["path"]]
    assert len(listed) == len(set(listed)) == 508 and zoo.rejected["reason"].ne("").all()
    reasons = set(zoo.rejected["reason"].str.split(":").str[0])
    assert reasons <= {"empty", "not an image", "truncated", "damaged", "too large"}
    assert 100 < len(zoo.rejected) < 450
    for path in zoo.table["path"]:
        assert open_image(root / path).mode == "RGB"


# ---------------------------------------------------------------------------- names


@pytest.fixture(scope="module")
def odd(tmp_path_factory):
    "A folder whose classes have odd names, with a taxonomy and a hierarchy."
    folder = tmp_path_factory.mktemp("odd")
    for i, name in enumerate(ODD_NAMES):
        for k in range(2):
            put(folder / "train" / name / f"{k}.png", picture(10 * i + k))
    keys = pd.DataFrame({"key": ODD_NAMES, "hypernyms": "thing > odd"})
    put(folder / "taxonomy.csv", csv_text(keys).encode())
    clusters = {"wnid": ODD_NAMES, "parent": range(len(ODD_NAMES)), "super_parent": 0}
    put(folder / "hierarchy.csv", csv_text(pd.DataFrame(clusters)).encode())
    return folder


def test_any_name_of_a_folder_is_a_name(odd, tmp_path):
    table = scan(odd).table
    assert set(table["label"]) == set(ODD_NAMES)
    table.to_parquet(tmp_path / "pictures.parquet")
    assert set(pd.read_parquet(tmp_path / "pictures.parquet")["label"]) == set(ODD_NAMES)
    tree, unplaced = place_classes(ODD_NAMES, odd)
    assert unplaced == [] and list(tree.keys) == ODD_NAMES
    parents, supers = read_hierarchy(odd / "hierarchy.csv", ODD_NAMES)
    assert parents.tolist() == list(range(len(ODD_NAMES))) and set(supers) == {0}
    check_images(str(odd))


def test_names_survive_a_runs_tables(tmp_path, monkeypatch):
    monkeypatch.setenv("CHIP_HOME", str(tmp_path))
    table = pd.DataFrame({"slug": ODD_NAMES, "chosen": ODD_NAMES[::-1], "rate": np.nan, "n": 3})
    Run("odd").save_table(table, "placements")
    again = Run("odd").read_table("placements", "30_unseen")
    assert again["slug"].tolist() == ODD_NAMES and again["chosen"].tolist() == ODD_NAMES[::-1]
    assert again["rate"].isna().all() and again["n"].eq(3).all()


def test_control_characters_stay_in_their_row(root, tmp_path):
    put(root / "train/ant/a\rb.txt", b"words")
    put(root / "train/ant/c\nd.png", b"no picture")
    rejected = scan(root).rejected
    assert rejected["path"].tolist() == [r"train/ant/a\rb.txt", r"train/ant/c\nd.png"]
    path = put(tmp_path / "rejected.csv", csv_text(rejected).encode())
    assert len(path.read_text().splitlines()) == 3
    assert read_names(path, text=True).values.tolist() == rejected.values.tolist()


def test_names_that_look_the_same_are_the_same(tmp_path):
    names = ["Bär", "Löwe", "Känguru", "k1"]
    for i, name in enumerate(names):
        folder = unicodedata.normalize("NFD", name)
        put(tmp_path / "train" / folder / "1.png", picture(2 * i))
        put(tmp_path / "test" / name / "1.png", picture(2 * i + 1))
    rows = "".join(f"{name},{name} selbst,Tier > {name}\n" for name in names)
    put(tmp_path / "taxonomy.csv", ("key,name,hypernyms\n" + rows).encode())
    zoo = scan(tmp_path)
    labels = zoo.classes()
    assert set(labels) == {unicodedata.normalize("NFD", name) for name in names}  # as they are
    assert zoo.classes("test") == labels
    tree, unplaced = place_classes(labels, tmp_path)
    assert unplaced == [] and set(tree.keys) == set(labels)
    assert {unicodedata.normalize("NFC", tree.names[k]) for k in labels} == {
        f"{n} selbst" for n in names
    }
    given = "".join(f"{name},{i},0\n" for i, name in enumerate(names))
    put(tmp_path / "h.csv", ("wnid,parent,super_parent\n" + given).encode())
    read_hierarchy(tmp_path / "h.csv", labels)
    put(tmp_path / "unseen" / "Bär" / "1.png", picture(50))
    with pytest.raises(ValueError, match="both in"):
        scan(tmp_path)


# ---------------------------------------------------------------------------- tables


TEXT = 'Key,name,Hypernyms \nbär,"Bär, der",Tier > Bär\n\nrex,,"Tier > Hund"\n'


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"]
)
@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_tables_as_programs_save_them(tmp_path, encoding, separator, end):
    text = TEXT.replace('"Bär, der"', "@").replace(",", separator).replace("@", '"Bär, der"')
    path = put(tmp_path / "taxonomy.csv", text.replace("\n", end).encode(encoding))
    tree = load_taxonomy(path)
    assert tree.names == {"bär": "Bär, der", "rex": "rex"}
    given = "wnid\nparent\nsuper parent\n".replace("\n", separator).removesuffix(separator)
    rows = [given, separator.join(["bär", "Hof", "1"]), separator.join(["rex", "Hof", "1"])]
    path = put(tmp_path / "h.csv", end.join(rows).encode(encoding))
    assert [a.tolist() for a in read_hierarchy(path, ["rex", "bär"])] == [[0, 0], [0]]


def test_excels_own_first_line(tmp_path):
    path = put(tmp_path / "t.csv", b"sep=;\r\nkey;hypernyms\r\nrex;animal\r\n;animal\r\n")
    with pytest.raises(TaxonomyError, match="line 4: the class's key is empty"):
        load_taxonomy(path)


@pytest.mark.parametrize(
    "data, says",
    [
        (b"PK\x03\x04rest", "a spreadsheet's own file"),
        (b"\xd0\xcf\x11\xe0rest", "Excel workbook"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\xff", "no text"),
        (b'key,hypernyms\nrex,"animal\n', "closing quote"),
        (b"key,hypernyms\nrex,animal,dog\n", "line 2: 3 cells where the heading has 2"),
    ],
)
def test_what_is_no_table_is_said_in_one_way(tmp_path, data, says):
    path = put(tmp_path / "t.csv", data)
    with pytest.raises(TableError, match=says) as caught:
        read_user_table(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)
