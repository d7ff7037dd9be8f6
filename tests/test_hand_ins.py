"Handing out and marking, as a course would, with hand-ins of every kind."

import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest

from chip.running.cli import main
from chip.teaching.exercises import EXERCISES, RIGHT, inputs_of
from chip.teaching.hand_ins import (
    MOST_BYTES,
    CannotTeach,
    Limits,
    assign,
    grade,
    read_hand_ins,
    read_students,
    seed_of,
    student_copy,
    summary_of,
    write_marks,
)

NBS = Path(__file__).resolve().parent.parent / "nbs"
SOON = Limits(seconds=4, in_all=8, memory=1, tries=3)

CEILING = "def my_ceiling(margin, mean_cosine):\n    return 1 - max(margin, 1 - mean_cosine) / 2"
FLOORLESS = "def my_ceiling(margin, mean_cosine):\n    return (1 + mean_cosine) / 2"
MILDER = "my_milder = ([1, 1, 1, 3], [0, 0, 0, 3])"
COLLAPSE = """def my_collapse(embeddings):
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    return (unit @ unit.T)[~np.eye(len(unit), dtype=bool)].mean()"""
SETUP = "import numpy as np\nfrom chip.teaching.exercises import marked, material"


def notebook(*cells: str, student: str = "") -> str:
    v4 = nbformat.v4
    made = v4.new_notebook(cells=[v4.new_code_cell(source) for source in cells])
    if student:
        made.metadata["chip"] = {"student": student}
    return nbformat.writes(made)


def right(*more: str, student: str = "") -> str:
    return notebook(SETUP, *more, CEILING, MILDER, COLLAPSE, student=student)


HOSTILE: dict[str, Callable[[Path], str]] = {  # what a student's file holds
    "right": lambda folder: right(student="right"),
    "prints": lambda folder: notebook(
        'print(\'{"exercise": "ceiling", "value": 1}\')\nprint(\'ceiling 1 of 1\')', FLOORLESS
    ),
    "patches": lambda folder: notebook(
        SETUP,
        "import chip.teaching.exercises as x\nx.check = x.judged = lambda *a, **k: True\n"
        "import builtins\nbuiltins.abs = lambda x: 0",
        FLOORLESS,
        MILDER,
    ),
    "writes": lambda folder: right(
        f"open({str(folder / 'right' / '05.ipynb')!r}, 'w').write('mine')",
        f"import os; os.remove({str(folder / 'right' / '05.ipynb')!r})",
        f"copied = open({str(folder / 'right' / '05.ipynb')!r}).read()",
        f"import os; os.listdir({str(folder)!r})",
    ),
    "gets past": lambda folder: right(
        "import ctypes\nlibc = ctypes.CDLL(None)\n"
        f"fd = libc.open({str(folder / 'right' / '05.ipynb').encode()!r}, 1)\n"
        "libc.write(fd, b'mine', 4)"
    ),
    "endless": lambda folder: right("while True:\n    pass"),
    "stubborn": lambda folder: notebook(
        SETUP,
        CEILING,
        "while True:\n    try:\n        for i in range(10**9): pass\n    except: pass",
        MILDER,
    ),
    "hungry": lambda folder: right("import numpy as np\nlost = np.ones(10**10)"),
    "forks": lambda folder: right("import os\nos.fork()", "os.system('sleep 99 &')"),
    "exits": lambda folder: right("raise SystemExit(0)", "import sys; sys.exit()", "exit()"),
    "leaves": lambda folder: notebook(SETUP, CEILING, "import os; os._exit(0)", MILDER, COLLAPSE),
    "raises": lambda folder: right("1 / 0", "this is no Python"),
    "moves": lambda folder: right("import os; os.chdir('/')"),
    "prints much": lambda folder: right("for i in range(200_000): print('x' * 100)"),
    "deletes": lambda folder: right("import os, glob\nfor x in glob.glob('*'): os.remove(x)"),
    "huge": lambda folder: notebook(SETUP, "my_milder = list(range(10**6))", CEILING),
    "strange": lambda folder: notebook(
        "class F(float):\n    def __eq__(self, o): return True",
        "my_ceiling = lambda m, c: F(0.3)",
        "my_milder = object()",
        "my_collapse = 10**400",
    ),
    "borrows": lambda folder: notebook(
        "from chip.measures import mean_pairwise_cosine as my_collapse, accuracy_ceiling",
        "def my_ceiling(m, c): return accuracy_ceiling(m, c)",
        "from chip.teaching.exercises import judged",
        "import chip.measures\nchip.measures.mean_pairwise_cosine([[1, 0], [0, 1]])",
    ),
    "magics": lambda folder: right("%matplotlib inline\n!ls", "import sys; input()"),
    "=1+1": lambda folder: right(),
    "Zoë Å. 😀": lambda folder: right(),
    "nothing": lambda folder: "",
    "text": lambda folder: "Dear lecturer, my computer broke.",
    "list": lambda folder: "[1, 2]",
    "no cells": lambda folder: notebook(),
    "no code": lambda folder: notebook("  "),
    "deep": lambda folder: "[" * 100_000,
}


@pytest.fixture(scope="module")
def marks(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    "One folder with all of them, marked."
    folder = tmp_path_factory.mktemp("hand-ins")
    for student, text in HOSTILE.items():
        (folder / student).mkdir()
        (folder / student / "05.ipynb").write_text(text(folder), encoding="utf-8")
    (folder / "essay").mkdir()
    (folder / "essay" / "answers.docx").write_bytes(b"PK\3\4")
    (folder / "linked").mkdir()
    (folder / "linked" / "05.ipynb").symlink_to(folder / "right" / "05.ipynb")
    before = (folder / "right" / "05.ipynb").read_text()
    table = grade(folder, limits=SOON)
    assert (folder / "right" / "05.ipynb").read_text() == before
    return table


def of(marks: pd.DataFrame, student: str) -> pd.DataFrame:
    return marks[marks["student"] == student].set_index("exercise")


def milder(marks: pd.DataFrame) -> pd.DataFrame:
    return marks[marks["exercise"] == "milder"]


def test_each_student_has_a_row_for_each_exercise(marks: pd.DataFrame):
    assert set(marks["student"]) == {*HOSTILE, "essay", "linked"}
    counts = marks.groupby("student")["exercise"].agg(list)
    assert all(ids == ["ceiling", "milder", "collapse"] for ids in counts)


@pytest.mark.parametrize(
    "student",
    ("right", "writes", "gets past", "endless", "hungry", "forks", "exits", "raises", "moves")
    + ("prints much", "deletes", "magics", "=1+1", "Zoë Å. 😀"),
)
def test_the_other_cells_are_marked_all_the_same(marks: pd.DataFrame, student: str):
    assert of(marks, student)["mark"].sum() == 3, of(marks, student).to_dict("records")


@pytest.mark.parametrize(
    "student, exercise, words",
    [
        ("prints", "ceiling", "forgot the margin's floor"),
        ("prints", "milder", "not in this file"),
        ("patches", "ceiling", "forgot the margin's floor"),
        ("huge", "milder", "1000000 values"),
        ("strange", "ceiling", "gives 0.3, expected"),
        ("strange", "milder", "two are asked for"),
        ("strange", "collapse", "a function of (embeddings)"),
        ("borrows", "collapse", "write it yourself"),
        ("borrows", "ceiling", "write it yourself"),
        ("nothing", "ceiling", "not a notebook"),
        ("text", "ceiling", "not a notebook"),
        ("list", "ceiling", "not a notebook"),
        ("deep", "ceiling", "not a notebook"),
        ("no cells", "ceiling", "the notebook is empty"),
        ("no code", "ceiling", "the notebook is empty"),
        ("essay", "ceiling", "not a notebook"),
        ("linked", "ceiling", "a link"),
    ],
)
def test_what_was_wrong_is_said(marks: pd.DataFrame, student: str, exercise: str, words: str):
    row = of(marks, student).loc[exercise]
    assert row["mark"] == 0 and words in row["verdict"], row.to_dict()


@pytest.mark.parametrize(
    "student, words",
    [
        ("writes", "may write in its own folder alone"),
        ("writes", "may not read what others have written"),
        ("gets past", "CHANGED right/05.ipynb (put back)"),
        ("endless", "computed longer than 4 s"),
        ("stubborn", "cell 3 "),
        ("hungry", "MemoryError"),
        ("forks", "may start no other program"),
        ("exits", "SystemExit"),
        ("leaves", "cell 3 ended everything"),
        ("raises", "ZeroDivisionError"),
        ("raises", "SyntaxError"),
        ("borrows", "ImportError"),
        ("borrows", "cell 4: Blanked"),
    ],
)
def test_what_went_wrong_on_the_way_is_noted(marks: pd.DataFrame, student: str, words: str):
    assert words in of(marks, student)["note"].iloc[0], of(marks, student)["note"].iloc[0]


def test_what_stands_round_a_cell_that_ends_everything_counts(marks: pd.DataFrame):
    assert of(marks, "leaves")["mark"].tolist() == [1, 1, 1]
    assert of(marks, "stubborn")["mark"].tolist() == [1, 1, 0]


def test_marks_are_the_same_again_and_in_any_order(tmp_path: Path):
    answers = {"b": right("my_x = object()\nraise ValueError(my_x)"), "a": notebook(FLOORLESS)}
    files = []
    for name, order in (("one", "ab"), ("two", "ba")):
        folder = tmp_path / name
        for student in order:
            (folder / student).mkdir(parents=True)
            (folder / student / "x.ipynb").write_text(answers[student])
        write_marks(grade(folder, limits=SOON), folder / "marks.csv")
        files.append((folder / "marks.csv").read_bytes())
    assert files[0] == files[1] and b"object object" in files[0] and b"0x" not in files[0]


def test_whose_it_is(tmp_path: Path):
    "Two files of one student, a copy of another's, an unknown student, one who handed in nothing."
    for path, text in {
        "Ada/05.ipynb": notebook(FLOORLESS, MILDER),
        "Ada/05 (1).ipynb": notebook(CEILING),
        "Ben/05.ipynb": notebook(MILDER, student="Ada"),
        "Eve/renamed exercises.IPYNB": notebook(MILDER),
        "12_download/05.ipynb": notebook(MILDER, student="cleo"),
        "Dan.ipynb": notebook(MILDER),
    }.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text)
    marks = grade(tmp_path, ("Ada", "Ben", "Cleo", "Dan", "Fay"), SOON)
    assert list(dict.fromkeys(marks["student"])) == ["Ada", "Ben", "Cleo", "Dan", "Eve", "Fay"]
    ada = of(marks, "Ada")
    assert ada.loc["ceiling", ["mark", "file"]].tolist() == [1, "Ada/05 (1).ipynb"]
    assert "2 files" in ada.loc["ceiling", "note"] and "2 files" not in ada.loc["milder", "note"]
    assert "made for Ada" in of(marks, "Ben").loc["milder", "note"]
    assert of(marks, "Cleo").loc["milder", ["mark", "note"]].tolist() == [1, ""]
    assert "unknown student" in of(marks, "Eve").loc["milder", "note"]
    assert set(of(marks, "Fay")["verdict"]) == {"nothing was handed in"}


def test_without_a_list_the_folder_says_whose_it_is(tmp_path: Path):
    "And of a file that lies by itself, or a copy that one folder holds, the copy."
    for path in ("alice/a.ipynb", "bob/a.ipynb", "1.ipynb"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        whose = "dan" if path == "1.ipynb" else "alice"
        (tmp_path / path).write_text(notebook(MILDER, student=whose))
    marks = milder(grade(tmp_path, limits=SOON))
    assert marks["student"].tolist() == ["alice", "bob", "dan"] and marks["mark"].all()
    assert marks["note"].tolist() == ["", "the copy was made for alice", ""]
    (tmp_path / "12_download").mkdir()  # by a course site, whose names are nobody's
    (tmp_path / "12_download" / "a.ipynb").write_text(notebook(MILDER, student="Cleo"))
    marks = milder(grade(tmp_path, limits=SOON)).set_index("student")
    assert list(marks.index) == ["alice", "bob", "Cleo", "dan"]
    assert marks.loc["Cleo", "note"] == "in the folder 12_download"


NOT_UTF8 = "M\udcfcller"  # a folder named in Latin-1, as Python gives it


@pytest.mark.parametrize(
    "path, whose, escaped",
    [
        (f"{NOT_UTF8}/05.ipynb", "", r"M\udcfcller"),
        (f"Ben/{NOT_UTF8}.ipynb", "", r"M\udcfcller"),
        ("Ben/05.ipynb", "\ud800x", r"\ud800x Ben/05.ipynb in the folder Ben"),
        ("Ben.ipynb", "\ud800x", r"\ud800x"),
    ],
    ids=["folder", "file", "copy", "loose"],
)
def test_an_odd_name_ends_no_marking(tmp_path: Path, path: str, whose: str, escaped: str):
    odd = json.loads(notebook(MILDER, "raise ValueError('\\ud800')"))
    odd["metadata"]["chip"] = {"student": whose}
    folder = tmp_path / "hand-ins"
    for name, text in {"Ada/05.ipynb": notebook(MILDER), path: json.dumps(odd)}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    said: list[str] = []
    marks = milder(grade(folder, limits=SOON, say=said.append))
    assert marks["mark"].tolist() == [1, 1]
    write_marks(marks, tmp_path / "marks.csv")
    assert "ValueError" in (tmp_path / "marks.csv").read_text(encoding="utf-8")
    for text in (*said, summary_of(marks)):
        text.encode()
    assert escaped in " ".join(marks["student"] + " " + marks["file"] + " " + marks["note"])


@pytest.mark.parametrize("kind", ["unreadable", "large", "pipe", "folder", "essay"])
def test_what_cannot_be_read_ends_no_marking(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
):
    (tmp_path / "Ada").mkdir()
    (tmp_path / "Ada" / "05.ipynb").write_text(notebook(MILDER))
    path = tmp_path / "Ben" / ("05.docx" if kind == "essay" else "05.ipynb")
    path.parent.mkdir()
    {"pipe": os.mkfifo, "folder": Path.mkdir}.get(kind, Path.touch)(path)
    if kind in ("large", "essay"):
        os.truncate(path, MOST_BYTES + 1)
    whole = Path.read_bytes

    def read_bytes(self: Path) -> bytes:
        if self == path:
            raise PermissionError(13, "Permission denied", str(self))
        return whole(self)

    monkeypatch.setattr(Path, "read_bytes", read_bytes)
    marks = milder(grade(tmp_path, limits=SOON))
    assert marks["student"].tolist() == ["Ada", "Ben"] and marks["mark"].tolist() == [1, 0]
    words = {"unreadable": "Permission denied", "large": "larger than", "essay": "larger than"}
    assert words.get(kind, "no file at all") in marks["verdict"].iloc[1]


def test_a_neighbours_number_does_not_help(tmp_path: Path):
    answers = [
        EXERCISES["wilson"].answers(**inputs_of("wilson", seed_of(s))) for s in ("Ada", "Fay")
    ]
    assert answers[0][RIGHT] != answers[1][RIGHT]
    for student in ("Ada", "Fay"):
        (tmp_path / student).mkdir()
        (tmp_path / student / "40.ipynb").write_text(
            notebook(f"my_wilson = {answers[0][RIGHT][:]}")
        )
    marks = grade(tmp_path, limits=SOON)
    assert (
        of(marks, "Ada").loc["wilson", "mark"] == 1 and of(marks, "Fay").loc["wilson", "mark"] == 0
    )


def test_copies_hold_no_answer(tmp_path: Path):
    "Nothing of the solutions, nothing that is an answer, and inputs of one's own; they run as they are."
    students = ("Ada", "Zoë Å.")
    paths = assign(tmp_path / "out", NBS, students)
    assert len(paths) == 2 * len({e.phase for e in EXERCISES.values()})
    first = paths[0].parent
    for path in first.glob("*.ipynb"):
        made = nbformat.read(path, as_version=4)
        nbformat.validate(made)
        text = "\n".join(cell.source for cell in made.cells)
        assert "solution" not in text and ", run)" not in text
        code = "\n".join(cell.source for cell in made.cells if cell.cell_type == "code")
        assert code.count("chip") == 1 and "\nfrom chip.teaching import exercises\n" in code
        answers = [e.is_answer.rsplit(".", 1)[-1] for e in EXERCISES.values() if e.is_answer]
        assert not [name for name in answers if re.search(rf"\\b{name}\\b", code)]
        names: dict = {}
        for cell in made.cells:
            if cell.cell_type == "code":
                exec(cell.source, names)
    own = [json.loads(p.read_text())["metadata"]["chip"]["student"] for p in paths]
    assert set(own) == set(students)


def test_nothing_is_written_over(tmp_path: Path):
    assign(tmp_path, NBS, chapters=["15_losses"])
    (tmp_path / "15_losses.ipynb").write_text("mine")
    with pytest.raises(CannotTeach, match=r"15_losses\.ipynb is there"):
        assign(tmp_path, NBS, chapters=["05_measures", "15_losses"])
    assert [p.name for p in tmp_path.iterdir()] == ["15_losses.ipynb"]
    assert (tmp_path / "15_losses.ipynb").read_text() == "mine"
    table = pd.DataFrame({"student": ["=1+1", "-x", "b"], "mark": [1, 0, 1]})
    write_marks(table, tmp_path / "marks.csv")
    assert (tmp_path / "marks.csv").read_text().splitlines()[1:] == ["'=1+1,1", "'-x,0", "b,1"]
    with pytest.raises(CannotTeach, match="--overwrite"):
        write_marks(table, tmp_path / "marks.csv")
    write_marks(table.head(1), tmp_path / "marks.csv", overwrite=True)
    assert len((tmp_path / "marks.csv").read_text().splitlines()) == 2
    assert sorted(os.listdir(tmp_path)) == ["15_losses.ipynb", "marks.csv"]


@pytest.mark.parametrize(
    "text, words",
    [
        ("Ada\nada", "line 2: 'ada' is there twice"),
        ("Ada\n../Ben", "cannot be the name"),
        ("Ada\n.ssh", "cannot be the name"),
        ("\n\n", "no name in it"),
        ("a" * 101, "cannot be the name"),
    ],
)
def test_students_that_cannot_be(tmp_path: Path, text: str, words: str):
    (tmp_path / "names.txt").write_text(text)
    with pytest.raises(CannotTeach, match=words):
        read_students(tmp_path / "names.txt")


def test_students_of_a_table(tmp_path: Path):
    (tmp_path / "names.csv").write_text(
        "\ufeffname,mail\nAda,ada@x.org\n\n Zoë ,z\n", encoding="utf-8"
    )
    assert read_students(tmp_path / "names.csv") == ("Ada", "Zoë")
    (tmp_path / "names.csv").write_text('name,mark\n"Doe, Ann",1\n"Doe, Ben",0\n')
    assert read_students(tmp_path / "names.csv") == ("Doe, Ann", "Doe, Ben")
    for encoding in ("cp1252", "utf-16"):  # as spreadsheets save it
        (tmp_path / "names.csv").write_text("name;mail\r\nZoë;z\r\n", encoding=encoding)
        assert read_students(tmp_path / "names.csv") == ("Zoë",)
    with pytest.raises(CannotTeach, match="cannot be read"):
        read_students(tmp_path / "none.txt")
    with pytest.raises(CannotTeach, match="holds no hand-in"):
        (tmp_path / "empty").mkdir()
        read_hand_ins(tmp_path / "empty")
    with pytest.raises(CannotTeach, match="no nowhere"):
        student_copy(tmp_path / "nowhere.ipynb")


def test_the_commands(tmp_path: Path, capsys: pytest.CaptureFixture):
    (tmp_path / "names.txt").write_text("Ada\nBen\n")
    out, csv = str(tmp_path / "out"), str(tmp_path / "marks.csv")
    names = ["--students", str(tmp_path / "names.txt")]
    assert main(["assign", out, *names, "--chapters", "15_losses"]) == 0
    path = tmp_path / "out" / "Ada" / "15_losses.ipynb"
    made = nbformat.read(path, as_version=4)
    (answer,) = (c for c in made.cells if "def my_loss_gradient" in c.source)
    answer.source = answer.source.replace("...", "np.where(distance > margin, 0.5, 0)")
    nbformat.write(made, path)
    assert main(["grade", out, "--csv", csv, *names]) == 0
    said = capsys.readouterr().out
    assert "Ada  1 of 1" in said and "Ben  0 of 1" in said
    table = pd.read_csv(csv)
    assert table["mark"].tolist() == [1, 0] and "no answer yet" in table["verdict"][1]
    for words, message in (
        (["grade", out, "--csv", csv], "--overwrite"),
        (["grade", out], "--csv"),
        (["grade", str(tmp_path / "none"), "--csv", f"{csv}2"], "there is no folder"),
        (["grade", out, "--csv", str(tmp_path / "no" / "x.csv")], "a folder that is there"),
        (["assign", out, *names], "is there"),
        (["assign", out, "--chapters", "16_losses"], "no exercises stand in '16_losses'"),
    ):
        assert main(words) == 2, words
        assert message in capsys.readouterr().err, words
    assert np.array_equal(pd.read_csv(csv)["mark"], [1, 0])
