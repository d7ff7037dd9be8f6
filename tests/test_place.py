"`chip place` from outside: what it answers, what it writes, how it breaks off and what it refuses."

import doctest
import json
import os
import signal
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import timm
import torch
from PIL import Image

import chip
from chip.compute.classifiers import Classifiers
from chip.data.drawing import draw_picture
from chip.data.images import UnreadableImage, open_image
from chip.data.menagerie_tree import MenagerieSettings, grow_kingdom
from chip.data.taxonomy import animals, imagenet_index
from chip.place import (
    ENCODERS,
    Lab,
    Placer,
    Question,
    Scores,
    allowed_classes,
    branches,
    column_names,
    known_names,
    list_animals,
    read_calibration,
    read_clusters,
    read_lab,
    spelled,
    uncalibrated,
)
from chip.running import answers
from chip.running.cli import main

ROOT = Path(__file__).resolve().parent.parent
TREE = branches(animals(paper_only=False))
ROBIN, TENCH, CHAIR = 15, 0, 765  # of ImageNet's classes; a rocking chair is no animal


def ctrl_c() -> None:
    "What Python makes of SIGINT, also where that is ignored, as in a shell's background."
    raise KeyboardInterrupt


def terminated() -> None:
    signal.raise_signal(signal.SIGTERM)


class Stub:
    "Classifiers that are sure of the class whose number a photo's name begins with."

    rows = True

    def __init__(self):
        self.seen = []
        self.stop_after = None  # photos
        self.how = ctrl_c

    def stream(self, pictures):
        for picture in pictures:
            if self.stop_after is not None and len(self.seen) >= self.stop_after:
                self.how()
            self.seen.append(str(picture))
            try:
                open_image(picture)
            except UnreadableImage as error:
                yield error.reason
                continue
            scores = np.zeros((3, 1000), np.float32)
            scores[:, int(Path(picture).name[:3])] = 14
            yield scores


def photo(path: Path, size: int = 32) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (size, size), "grey").save(path)
    return path


@pytest.fixture
def stub(monkeypatch, tmp_path):
    "The command without networks, in a folder of its own with forty photos of robins."
    found = Stub()
    monkeypatch.chdir(tmp_path)
    for i in range(40):
        photo(tmp_path / "robins" / f"015_{i:02d}.png")
    calibration = read_calibration(ENCODERS)
    load = classmethod(lambda cls, *given, **named: Placer(calibration, TREE, found))
    monkeypatch.setattr(Placer, "load", load)
    return found


def scores(**logits: float) -> Scores:
    "Scores of one picture: c15=10 gives class 15 ten more than the others."
    values = np.zeros((3, 1, 398))
    for name, value in logits.items():
        values[:, 0, int(name[1:])] = value
    return Scores(values, np.array([1.0]))


def test_a_sure_class_is_known_and_an_undecided_picture_stops_at_the_root():
    placer = Placer(read_calibration(ENCODERS), TREE)
    (sure,) = placer.place_scores(scores(c15=14))
    assert (sure["answer_name"], sure["verdict"], sure["kin_1"]) == ("robin", "known", "robin")
    (unsure,) = placer.place_scores(scores())
    assert unsure["depth"] <= 1 and unsure["verdict"] == "new kind"


def test_a_smaller_risk_never_stops_deeper():
    placer = Placer(read_calibration(ENCODERS), TREE)
    rng = np.random.default_rng(0)
    made = Scores(rng.normal(0, 4, (3, 50, 398)), np.ones(50))
    depths = [
        [row["depth"] for row in placer.place_scores(made, Question(risk))]
        for risk in (0.02, 0.05, 0.1, 0.2, 0.4)
    ]
    assert (np.diff(depths, axis=0) >= 0).all()


def test_a_risk_that_cannot_be_promised_says_so():
    (row,) = Placer(read_calibration(ENCODERS), TREE).place_scores(scores(c15=14), Question(1e-4))
    assert row["answer_name"] == "animal" and "cannot be promised" in row["reason"]


@pytest.mark.parametrize(
    ("name", "inside", "n"),
    [
        ("bird", "robin", 59),
        ("Birds", "robin", 59),
        ("Aves", "robin", 59),
        ("n01503061", "robin", 59),
        ("great_grey-owl", "great grey owl", 1),
        ("giraffe", "gazelle", 9),
        ("n01558993", "robin", 1),
    ],
)
def test_names_of_many_kinds_are_understood(name, inside, n):
    allowed = allowed_classes([name], TREE)
    assert allowed.sum() == n
    assert inside in [TREE.names[node] for node in TREE.own[allowed]]


def test_every_class_is_known_by_its_name_and_its_id():
    known = known_names(TREE)
    for key, node in zip(TREE.keys, TREE.own, strict=True):
        assert known[spelled(key)] == known[spelled(TREE.names[node])] == node


def test_what_is_not_allowed_is_never_answered():
    allowed = allowed_classes(["bird"], TREE)
    placer = Placer(read_calibration(ENCODERS), TREE)
    (row,) = placer.place_scores(scores(c0=14, c15=3), Question(0.1, allowed))
    assert row["way"].startswith("animal › chordate › vertebrate › bird")
    assert row["level_3_probability"] == 1


def test_a_forced_level_is_the_likeliest_cluster():
    placer = Placer(read_calibration(ENCODERS), TREE)
    for level, depth in (("class", 3), ("parent", 2), ("super-parent", 1)):
        clusters = read_clusters(level, TREE)
        (row,) = placer.place_scores(scores(c15=14), Question(clusters=clusters))
        group = clusters.holds[clusters.ids.index(row["answer"])]
        assert group[15] and row["depth"] == depth and "nothing is promised" in row["reason"]


def test_photos_of_a_folder_are_pooled_as_in_the_calibration(stub, tmp_path):
    "Mean probabilities over the photos: half robins, half tenches are vertebrates."
    for i in range(3):
        photo(tmp_path / "both" / f"015_{i}.png")
        photo(tmp_path / "both" / f"000_{i}.png")
    (row,) = Placer.load().place("both", each="folder").to_dict("records")
    assert (row["animal"], row["photos"]) == ("both", 6)
    assert row["kin_1_probability"] == pytest.approx(0.5, abs=0.01)
    assert {row["kin_1"], row["kin_2"]} == {"robin", "tench"}
    assert row["answer_name"] in ("chordate", "vertebrate", "animal")


def test_the_table_of_python_has_the_columns_of_the_command(stub):
    table = Placer.load().place(["robins", "nope.jpg"])
    assert list(table) == list(column_names(TREE)) and len(table) == 41
    assert table["verdict"].value_counts().to_dict() == {"known": 40, "unreadable": 1}
    assert table["answer"].iloc[-1] == "" and pd.isna(table["depth"].iloc[-1])


def test_animals_are_listed_once_in_the_order_given(stub, tmp_path):
    (tmp_path / "robins" / "notes.txt").write_text("seen at noon")
    (tmp_path / "robins" / ".hidden.png").write_text("")
    for name in ("scan.jp2", "robin.svg"):  # no photo that is read, and none that is passed over
        (tmp_path / "robins" / name).write_text("")
    (tmp_path / "empty").mkdir()
    listed = list_animals(["nope", "robins/015_03.png", "robins", "empty"])
    assert [animal.path for animal in listed[:3]] == [
        "nope",
        "robins/015_03.png",
        "robins/015_00.png",
    ]
    assert len(listed) == 44 and {"robins/scan.jp2", "robins/robin.svg"} < {a.path for a in listed}
    assert [animal.problem for animal in listed if not animal.photos] == [
        "no such file or folder",
        "no pictures in this folder",
    ]


@pytest.mark.parametrize("ending", ["csv", "json", "parquet"])
def test_a_table_in_each_format(stub, ending, capsys):
    assert main(["place", "robins", "--out", f"a.{ending}"]) == 0
    read = {"csv": pd.read_csv, "json": pd.read_json, "parquet": pd.read_parquet}[ending]
    table = read(f"a.{ending}")
    assert list(table) == list(column_names(TREE)) and (table["answer"] == "n01558993").all()
    assert os.listdir() == ["robins", f"a.{ending}"] or sorted(os.listdir()) == [
        f"a.{ending}",
        "robins",
    ]


@pytest.mark.parametrize("how", [ctrl_c, terminated])
def test_the_same_call_goes_on_where_it_broke_off(stub, how, capsys):
    stub.stop_after, stub.how = 20, how
    call = ["place", "robins", "--out", "a.csv"]
    assert main(call) == 130
    assert len(pd.read_csv("a.csv")) == 16  # answers are computed sixteen at a time
    stub.stop_after, stub.seen = None, []
    photo(Path("robins/015_05.png"), size=40)  # changed since
    assert main(call) == 0
    assert len(stub.seen) == 40 - 16 + 1
    table = pd.read_csv("a.csv")
    assert list(table["path"]) == [f"robins/015_{i:02d}.png" for i in range(40)]
    assert sorted(os.listdir()) == ["a.csv", "robins"]


def test_a_killed_call_leaves_a_torn_line_that_is_passed_over(stub, capsys):
    stub.stop_after = 20
    assert main(["place", "robins", "--out", "a.csv"]) == 130
    os.unlink("a.csv")  # a killed process has not come to write it
    with open(".a.csv.journal", "a") as file:
        file.write('{"state": "12')
    stub.stop_after = None
    assert main(["place", "robins", "--out", "a.csv"]) == 0
    assert len(pd.read_csv("a.csv")) == 40


def test_other_calls_and_other_files_are_refused(stub, capsys):
    stub.stop_after = 20
    assert main(["place", "robins", "--out", "a.csv"]) == 130
    stub.stop_after = None
    assert main(["place", "robins", "--out", "a.csv", "--risk", "0.2"]) == 2
    assert "begun by another call" in capsys.readouterr().err
    Path("a.csv").write_text("mine")  # not what the call has left
    assert main(["place", "robins", "--out", "a.csv"]) == 2
    assert Path("a.csv").read_text() == "mine"
    Path(".full.csv.journal").touch()  # a full disk leaves that: nothing was begun
    assert main(["place", "robins", "--out", "full.csv"]) == 0
    stub.seen = []
    assert main(["place", "robins", "--out", "a.csv", "--overwrite"]) == 0
    assert len(stub.seen) == len(pd.read_csv("a.csv")) == 40  # none is from the broken-off call
    assert main(["place", "robins", "--out", "a.csv"]) == 2
    assert "exists" in capsys.readouterr().err


def test_two_calls_for_one_table(stub, capsys):
    "The second one is refused; it would write between the first one's lines."
    stub.stop_after, told = 20, []
    stub.how = lambda: told.append(main(["place", "robins", "--out", "a.csv", "--overwrite"]))
    assert main(["place", "robins", "--out", "a.csv"]) == 0 and set(told) == {2}
    assert "a.csv is being made by another call" in capsys.readouterr().err
    assert len(pd.read_csv("a.csv")) == 40 and sorted(os.listdir()) == ["a.csv", "robins"]


@pytest.mark.parametrize("torn", ["garbage\n", "[1]\n", '{"row": 1}\n'])
def test_a_damaged_journal_is_said(stub, torn, capsys):
    call = ["place", "robins", "--out", "a.csv"]
    stub.stop_after = 20
    assert main(call) == 130
    stub.stop_after = None
    with open(".a.csv.journal", "a") as file:
        file.write(torn)
    assert main(call) == 2 and "its journal is torn" in capsys.readouterr().err
    assert main([*call, "--overwrite"]) == 0 and len(pd.read_csv("a.csv")) == 40
    assert sorted(os.listdir()) == ["a.csv", "robins"]


def test_a_photo_spelled_in_two_ways_is_one(stub):
    one, two = "robins/015_01.png", "robins/../robins/015_01.png"
    assert [a.path for a in list_animals([one, two, Path(one).absolute()])] == [one]
    (animal,) = list_animals(["robins", two], "folder")
    assert animal.path == "robins" and len(animal.photos) == 40


def test_a_file_that_comes_meanwhile_is_kept(stub, capsys):
    "Somebody else writes the table, or the page, while a call is answering."
    stub.stop_after, stub.how = 20, lambda: Path("a.csv").write_text("mine")
    call = ["place", "robins", "--out", "a.csv"]
    assert main(call) == 2 and Path("a.csv").read_text() == "mine"
    assert "has changed meanwhile" in capsys.readouterr().err
    stub.stop_after, stub.seen = None, []
    os.rename("a.csv", "b.csv")
    assert main(call) == 0 and not stub.seen  # all were answered already
    assert len(pd.read_csv("a.csv")) == 40
    stub.stop_after, stub.how = 20, lambda: Path("p.html").write_text("mine")
    assert main(["place", "robins", "--page", "p.html"]) == 1
    assert Path("p.html").read_text() == "mine" and "p.html" in capsys.readouterr().err


def test_what_cannot_be_read_costs_a_line_and_the_status(stub, capsys, tmp_path):
    (tmp_path / "robins" / "015_50.jpg").write_bytes(b"\xff\xd8\xff\xe0 torn")
    (tmp_path / "robins" / "film.mp4").write_bytes(b"film")
    (tmp_path / "robins" / "more.tar.bz2").write_bytes(b"BZh91AY")
    (tmp_path / "robins" / "notes.csv.gz").write_bytes(b"\x1f\x8b")  # no photos
    Image.new("1", (20_000, 20_000)).save(tmp_path / "robins" / "015_huge.png")
    assert main(["place", "robins", "nope.jpg"]) == 1
    told = capsys.readouterr()
    assert len(told.err.splitlines()) == 5 and len(told.out.splitlines()) == 40
    assert all(why in told.err for why in ("too large", "no such file", "an archive"))
    assert main(["place", "robins", "--each", "folder"]) == 1
    assert "4 of 44 photos could not be read" in answers_of("robins")["reason"]


def answers_of(folder: str) -> dict:
    (row,) = Placer.load().place(folder, each="folder").to_dict("records")
    return row


def test_only_bad_paths_need_no_networks(monkeypatch, capsys):
    monkeypatch.setattr(Placer, "load", None)
    assert main(["place", "nope.jpg", "also/nope"]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 2


def test_pictures_that_show_nothing_and_opened_ones():
    noise = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    noted, note = BytesIO(), Image.Exif()
    note[0x0112] = 6  # its top is at the right
    Image.fromarray(noise).save(noted, "PNG", exif=note)
    torn = Image.open(BytesIO(noted.getvalue()[:4000]))
    upright = Image.fromarray(np.rot90(noise, -1))
    pictures = [upright, Image.open(noted), torn, Image.new("RGB", (50, 50))]
    same, turned, cut, black = Classifiers("efficientnet_lite0").stream(pictures)
    assert np.array_equal(same, turned) and cut.startswith("truncated")
    assert black == "nothing to see: it is nearly black"


def test_a_thing_is_no_animal(stub, capsys, tmp_path):
    photo(tmp_path / "765_chair.png")
    assert main(["place", "765_chair.png", "--out", "a.json"]) == 0
    (row,) = json.loads(Path("a.json").read_text())
    assert (row["verdict"], row["answer"], row["depth"]) == ("no animal", "", None)


def test_restrictions_void_the_promise_aloud(stub, capsys, tmp_path):
    Path("fauna.txt").write_text("# what lives here\nRobin\nGiraffe  # rarely\n\n")
    assert main(["place", "robins", "--among", "fauna.txt"]) == 0
    assert "10 of 398 classes; the risk was measured without that" in capsys.readouterr().out
    assert main(["place", "robins", "--level", "parent"]) == 0
    assert "nothing is promised" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("call", "told"),
    [
        ("robins --risk 0", "risk=0.0: expected a share between 0 and 1"),
        ("robins --risk 1", "risk=1.0"),
        ("robins --risk nan", "risk=nan"),
        ("robins --each fold", "expected photo or folder"),
        ("robins --out a.xls", ".csv, .json, .parquet"),
        ("robins --out no/a.csv", "there is no folder no"),
        ("robins --page a.htmlx", ".html"),
        ("robins --page robins", ".html"),
        ("robins --within girafe", "did you mean 'giraffe'?"),
        ("robins --among nope.txt", "cannot be read (No such file"),
        ("robins --among robins", "no regular file"),
        ("robins --among latin.txt", "known as 'Bär'"),
        (f"robins --out {'x' * 240}.csv", "File name too long"),
        (f"robins --page {'x' * 240}.html", "File name too long"),
        ("robins --within bird --among fish.txt", "no animal in common"),
        ("robins --level parnt", "class, parent, super-parent"),
        ("robins --level parent --run nope", "there is no"),
        ("robins --run nope", "; the runs are demo, "),  # and whatever else was run here
        ("robins --encoder resnet51", "did you mean 'resnet50'?"),
        ("robins --encoder timm:resnet51", "did you mean 'timm:res"),
        ("robins --weights random", "has learned nothing"),
        ("robins --weights no.pt", "for one encoder"),
        ("robins --encoder timm:resnet18 --weights no.pt", "'no.pt' does not exist"),
        ("robins --mine nope", "nope does not exist"),
        ("robins --mine fish.txt", "is a file"),
        ("robins --mine robins", "no class in robins"),
        ("", "PATH"),
        ("robins --rsik 0.1", "did you mean '--risk'?"),
    ],
)
def test_wrong_calls_are_refused_in_one_line(stub, call, told, capsys):
    Path("fish.txt").write_text("fish\n")
    Path("latin.txt").write_text("Bär\r\n", encoding="cp1252")
    assert main(["place", *call.split()]) == 2
    error = capsys.readouterr().err
    assert told in error and len(error.splitlines()) == 1
    assert not stub.seen


def test_the_runs_that_there_are(stub, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("CHIP_HOME", str(tmp_path / "home"))
    assert main(["place", "robins", "--run", "nope"]) == 2
    assert "; chip run makes one" in capsys.readouterr().err
    for name in ("two", "one"):
        (tmp_path / "home" / "reports" / name / "tables").mkdir(parents=True)
        (tmp_path / "home" / "reports" / name / "tables" / "hierarchy.csv").touch()
    assert main(["place", "robins", "--run", "nope"]) == 2
    assert capsys.readouterr().err.endswith("; the runs are one, two\n")


@pytest.mark.skipif(not Path("/dev/fd").is_dir(), reason="there is no /dev/fd")
def test_a_list_that_the_shell_hands_over_is_read(stub, capsys):
    "As by --among <(ls zoo)."
    ours, theirs = os.pipe()
    os.write(theirs, b"fish\nbird\n")
    os.close(theirs)
    assert main(["place", "robins", "--among", f"/dev/fd/{ours}"]) == 0, capsys.readouterr().err
    os.close(ours)


def test_names_on_disk_may_hold_anything(stub, capsys, tmp_path):
    for name in ("015\n=1+1.png", '015"><script>alert(1)<.png', "015é\u202e.png", "015,;.png"):
        photo(tmp_path / "odd" / name)
    if sys.platform == "linux":
        photo(tmp_path / "odd" / os.fsdecode(b"015\xff.png"))
    for ending in ("csv", "json", "parquet"):
        assert main(["place", "odd", "--out", f"a.{ending}"]) == 0
    assert main(["place", "odd", "--page", "p.html"]) == 0
    page = Path("p.html").read_text(encoding="utf-8")
    assert "<script>alert" not in page and page.count('<li class="card"') == len(os.listdir("odd"))
    assert main(["place", "odd"]) == 0
    assert len(capsys.readouterr().out.splitlines()) >= len(os.listdir("odd"))


def test_the_page_stands_alone(stub, capsys):
    assert main(["place", "robins", "nope.jpg", "--page", "p.html", "--out", "a.csv"]) == 1
    page = Path("p.html").read_text(encoding="utf-8")
    assert page.count("data:image/jpeg;base64,") == 40 and "animal › chordate" in page
    assert "http://" not in page and "https://" not in page
    assert main(["place", "robins", "--page", "p.html"]) == 2
    assert "exists" in capsys.readouterr().err


def test_memory_holds_no_answers(stub, monkeypatch, capsys):
    "Of what a call has answered, only where it stands in the journal is kept."
    kept = []
    close = answers.Journal.close
    monkeypatch.setattr(
        answers.Journal, "close", lambda self, done: kept.append(self) or close(self, done)
    )
    assert main(["place", "robins", "--out", "a.csv"]) == 0
    assert all(isinstance(place, int) for _, place in kept[0].places.values())


def test_two_drawn_animals_with_a_real_network():
    settings = MenagerieSettings()
    species = grow_kingdom(settings)[:2]
    drawn = [draw_picture(settings, one, 0) for one in species]
    table = Placer.load("efficientnet_lite0", n=2).place(drawn, risk=0.2)
    assert list(table["path"]) == ["picture 1", "picture 2"]
    assert set(table["verdict"]) <= {"known", "new kind", "no animal"}
    again = Placer.load("efficientnet_lite0", n=1).place(drawn[0], risk=0.2)
    assert again["animal_probability"][0] == pytest.approx(table["animal_probability"][0], abs=1e-4)


def test_the_examples_in_the_docstring_run():
    (examples,) = doctest.DocTestFinder(recurse=False).find(
        Placer, "Placer", globs={"Placer": Placer}
    )
    assert len(examples.examples) >= 8
    assert doctest.DocTestRunner().run(examples).failed == 0


def test_what_it_needs_travels_in_the_wheel(tmp_path):
    "Built without a clone around it, the command refuses an unknown name, for which it must know all names."
    build = [sys.executable, "setup.py", "-q", "build", "--build-base", str(tmp_path / "b")]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "b" / "lib")}
    environment.pop("CHIP_HOME", None)
    code = "import chip; from chip.running.cli import main; print(chip.__file__); main(['place', 'x', '--within', 'girafe'])"
    told = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert str(tmp_path) in told.stdout and "did you mean 'giraffe'?" in told.stderr
    assert (tmp_path / "b" / "lib" / "chip" / "templates" / "answers.html.j2").is_file()
    assert chip.__file__  # this one is the clone's


def test_the_calibration_is_whole():
    for encoders in (ENCODERS, *ENCODERS.split("+")):
        calibration = read_calibration(encoders)
        assert set(calibration.prices) == {1, 2, 5, 10}
        for n in calibration.prices:
            risks = [risk for risk, _ in calibration.prices[n]]
            assert risks == sorted(risks) and {0.05, 0.1, 0.2} <= set(risks)
    assert len(imagenet_index()) == 398


@pytest.fixture
def lab(stub, tmp_path):
    "Two own classes, of which the stub says things 700 and 800, with a table."
    for i in range(4):
        photo(tmp_path / "lab" / "puffin" / f"700_{i}.png")
        photo(tmp_path / "lab" / "okapi_of_mine" / f"800_{i}.png")
        photo(tmp_path / "new" / f"700_{i + 4}.png")
    rows = "key;name;hypernyms\npuffin;Puffin;animal > bird > auk\n"
    (tmp_path / "lab" / "taxonomy.csv").write_text(rows + "okapi_of_mine;;animal > ungulates\n")
    return tmp_path / "lab"


def test_own_classes_hang_in_the_tree_and_are_known_again(lab, capsys):
    assert main(["place", "new", "robins", "--mine", "lab", "--out", "a.csv"]) == 0
    told = capsys.readouterr().out
    assert (
        "Puffin (below bird, in a new kind: auk)" in told and "measured without own classes" in told
    )
    assert "okapi of mine (below ungulate)" in told
    table = pd.read_csv("a.csv").set_index("path")
    new, robins = table[: len(os.listdir("new"))], table[len(os.listdir("new")) :]
    assert set(new["answer"]) == {"puffin"} and set(new["verdict"]) == {"known"}
    assert set(new["way"]) == {"animal › chordate › vertebrate › bird › auk › Puffin"}
    assert set(robins["answer"]) == {"n01558993"}


def test_what_resembles_no_own_class_is_answered_as_without_them(lab, stub):
    plain, fitted = Placer.load(), Placer.load().fit("lab")
    rng = np.random.default_rng(0)
    outputs = rng.normal(0, 4, (3, 30, 1000))
    before = plain.place_scores(plain.scores(outputs))
    after = fitted.place_scores(fitted.scores(outputs))
    for name in ("answer", "depth", "verdict"):
        assert [row[name] for row in after] == [row[name] for row in before]


def test_fitting_again_forgets_what_was_fitted_before(lab):
    placer = Placer.load().fit("lab")
    first = placer.tree
    assert placer.fit("lab") is placer and placer.tree.keys == first.keys


def test_own_names_may_be_asked_for(lab, capsys):
    assert main(["place", "new", "--mine", "lab", "--within", "Puffin"]) == 0
    assert "auk › Puffin" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "photos", "row", "told"),
    [
        ("alone", 1, "alone;;animal > bird", "'alone' in lab has 1 photo: at least 2"),
        ("empty", 0, "empty;;animal > bird", "has 0 photos (no pictures in this folder)"),
        ("nowhere", 2, "", "'nowhere' in lab stands in no tree: add a line to lab/taxonomy.csv"),
        ("lost", 2, "lost;;plant > rose", "'plant > rose' names no kind that is known"),
        ("robin", 2, "", "'robin' in lab has the name of a class that is known already"),
        ("n01558993", 2, "", "has the name of a class that is known already"),
        ("mine", 2, "mine;Robin;animal > bird", "has the name of a class that is known already"),
        ("torn", 2, "torn;;", "expected words between '>' signs"),
        ("tern", 2, "tern;;bird\ntern;;fish", "class 'tern' is listed already on line"),
    ],
)
def test_own_classes_that_cannot_be_learned_are_refused(lab, stub, capsys, name, photos, row, told):
    (lab / name).mkdir()
    for i in range(photos):
        photo(lab / name / f"710_{i}.png")
    with open(lab / "taxonomy.csv", "a") as file:
        file.write(row + "\n")
    assert main(["place", "robins", "--mine", "lab", "--out", "a.csv"]) == 2
    error = capsys.readouterr().err
    assert told in error and len(error.splitlines()) == 1
    assert not stub.seen and not Path("a.csv").exists()


def test_a_damaged_photo_of_an_own_class_costs_a_line(lab, capsys):
    (lab / "puffin" / "700_9.png").write_bytes(b"torn")
    assert main(["place", "new", "--mine", "lab"]) == 1
    told = capsys.readouterr()
    assert "700_9.png" in told.err and told.out.count("auk › Puffin") >= 4
    for i in range(1, 4):
        (lab / "puffin" / f"700_{i}.png").write_bytes(b"torn")
    assert main(["place", "new", "--mine", "lab"]) == 2
    assert "has 1 photo that can be read" in capsys.readouterr().err


def test_known_names_need_no_table(stub, tmp_path):
    for i in range(2):
        photo(tmp_path / "zoo" / "giraffe" / f"700_{i}.png")
    lab = read_lab("zoo", TREE)
    assert [TREE.names[TREE.nodes.index(node)] for node in lab.paths["giraffe"][-2:-1]] == [
        "ruminant"
    ]


def test_few_seen_classes_promise_nothing(stub, capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("CHIP_HOME", str(tmp_path))
    file = tmp_path / "reports" / "few" / "tables" / "hierarchy.csv"
    file.parent.mkdir(parents=True)
    rows = "".join(f"{key},x,0,a,0,b\n" for key in TREE.keys[:7])
    file.write_text("wnid,name,parent,parent_name,super_parent,super_parent_name\n" + rows)
    assert main(["place", "robins", "--run", "few", "--out", "a.csv"]) == 0
    assert "7 classes count as seen, fewer than" in capsys.readouterr().out
    table = pd.read_csv("a.csv")
    assert set(table["answer"]) <= set(TREE.keys[:7]) and (table["depth"] == 3).all()
    file.write_text(file.read_text() + "lynx_of_mine,x,0,a,0,b\n")
    assert main(["place", "robins", "--run", "few"]) == 2
    assert "--mine" in capsys.readouterr().err


@pytest.fixture(scope="module")
def networks(tmp_path_factory):
    "A small network's weights, with and without its last layer, and photos of drawn animals."
    folder = tmp_path_factory.mktemp("networks")
    network = timm.create_model("test_vit")
    torch.save(network.state_dict(), folder / "whole.pt")
    network.reset_classifier(0)
    torch.save(network.state_dict(), folder / "headless.pt")
    settings = MenagerieSettings()
    for species in grow_kingdom(settings)[:2]:
        for i in range(3):
            path = folder / "lab" / species.key / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            draw_picture(settings, species, i).save(path)
    keys = sorted(os.listdir(folder / "lab"))
    rows = "".join(f"{key}\tBeast {i}\tanimal > mammal\n" for i, key in enumerate(keys))
    (folder / "lab" / "taxonomy.csv").write_text("key\tname\thypernyms\n" + rows)
    return folder


def test_a_network_that_was_not_calibrated_says_so_and_how_it_could_be(
    networks, capsys, monkeypatch
):
    monkeypatch.chdir(networks)
    call = ["place", "lab", "--encoder", "timm:test_vit", "--weights", "whole.pt"]
    assert main([*call, "--out", "whole.csv"]) == 0
    told = capsys.readouterr().out
    assert "timm:test_vit was not calibrated" in told and "69_promise" in told
    assert "nothing is promised" in pd.read_csv("whole.csv")["reason"][0]


def test_a_network_without_a_classifier_needs_photos_of_classes(networks, capsys, monkeypatch):
    monkeypatch.chdir(networks)
    call = ["place", "lab", "--encoder", "timm:test_vit", "--weights", "headless.pt"]
    assert main(call) == 2
    error = capsys.readouterr().err
    assert "--mine" in error and len(error.splitlines()) == 1
    assert main([*call, "--mine", "lab", "--out", "own.csv"]) == 0
    assert "2 seen classes are fewer than" in capsys.readouterr().out
    table = pd.read_csv("own.csv")
    assert set(table["answer"]) <= set(os.listdir("lab")) and set(table["depth"]) == {3}
    assert table["reason"].str.contains("nothing is promised").all()


def test_own_classes_alone_are_calibrated_on_themselves():
    "Forty classes in ten groups, three photos each, far apart: new ones are placed in their group."
    rng = np.random.default_rng(0)
    groups = rng.normal(size=(10, 64))
    own = np.repeat(np.arange(40), 3)
    means = groups[np.arange(40) % 10] + 0.5 * rng.normal(size=(40, 64))
    outputs = (means[own] + 0.1 * rng.normal(size=(120, 64)))[None]
    paths = {f"c{i}": ("n00015388", f"g{i % 10}", f"c{i}") for i in range(40)}
    names = {node: node for path in paths.values() for node in path[1:]}
    placer = Placer(uncalibrated("x"), TREE)
    placer.rows = False
    placer.learn(Lab("", dict.fromkeys(paths, "x"), paths, names, {}), outputs, own)
    assert 1 in placer.calibration.prices and len(placer.tree.keys) == 40
    new = groups + 0.5 * rng.normal(size=(10, 64))
    rows = placer.place_scores(placer.scores(new[None]), Question(0.2))
    right = [row["answer"] in (f"g{i}", "n00015388") for i, row in enumerate(rows)]
    assert np.mean(right) >= 0.8
    assert np.mean([row["answer"] == f"g{i}" for i, row in enumerate(rows)]) >= 0.5
