"The lecturers' page and the slides: every exercise has its place, and a page shows without a network."

import re
from pathlib import Path

import nbformat
import pytest

from chip.running.cli import main
from chip.running.slides import slides_page
from chip.teaching.exercises import EXERCISES
from chip.teaching.hand_ins import CannotTeach
from chip.teaching.lectures import LECTURES, Lecture, lecture_notebook

NBS = Path(__file__).resolve().parent.parent / "nbs"
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def test_every_exercise_is_in_one_lecture():
    chapters = [name for lecture in LECTURES for name in lecture.chapters]
    assert len(set(chapters)) == len(chapters)
    assert {e.phase for e in EXERCISES.values()} <= set(chapters)
    cells = nbformat.read(NBS / "teaching" / "74_lectures.ipynb", as_version=4).cells
    text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    in_tables = re.findall(
        r"`([\w-]+)`", "\n".join(x.rsplit("|", 2)[-2] for x in re.findall(r"^\|.*\|$", text, re.M))
    )
    assert sorted(in_tables) == sorted(EXERCISES)
    assert all((NBS / f"{name}.ipynb").is_file() for name in re.findall(r"`(\d\d_\w+)`", text))


@pytest.fixture
def chapters(tmp_path: Path) -> Path:
    "A chapter for each that is shown: a beginning, a figure, what is said of it, an exercise."
    v4 = nbformat.v4
    picture = v4.new_output("display_data", {"image/png": PIXEL})
    shown = {"image": {"alt": 'A "dot"'}, "figure": {"caption": "One dot, $d^2$."}}
    question = "### Exercise: Dots\n\nHow many?\n\n*In this chapter* three.\n\n<details><summary>A hint</summary>\n\nCount.\n\n</details>"
    for lecture in LECTURES:
        for name in lecture.chapters:
            cells = [
                v4.new_markdown_cell(f"# {name}\n\n> A dot."),
                v4.new_markdown_cell("## A dot\n\nIt comes."),
                v4.new_code_cell("plot()", outputs=[picture], metadata={"mystnb": shown}),
                v4.new_markdown_cell("Black it is.\n\n## Next"),
                v4.new_markdown_cell(question, metadata={"tags": ["exercise"]}),
            ]
            nbformat.write(v4.new_notebook(cells=cells), tmp_path / f"{name}.ipynb")
    return tmp_path


def test_slides_of_a_chapter(chapters: Path):
    notebook = lecture_notebook(Lecture(1, "Dots", ("05_measures",)), chapters)
    nbformat.validate(notebook)
    kinds = [cell.metadata["slideshow"]["slide_type"] for cell in notebook.cells]
    assert kinds == ["slide", "slide", "slide", "notes", "slide", "notes"]
    assert (
        notebook.cells[2].source.startswith("## A dot\n")
        and "dot&quot;" in notebook.cells[2].source
    )
    assert [notebook.cells[i].source for i in (3, 4, 5)] == [
        "Black it is.",
        "### Exercise: Dots\n\nHow many?",
        "Count.",
    ]
    page = slides_page(notebook)
    assert page.count("<section") == 4 and page.count("<aside") == 2
    assert "<msup>" in page and PIXEL in page and "plot()" not in page
    assert "://" not in page.replace("http://www.w3.org/", "")


def test_linked_pictures_are_part_of_the_page():
    for lecture in LECTURES:
        cells = lecture_notebook(lecture, NBS).cells
        sources = re.findall(r'<img[^>]*src="([^"]*)"', "\n".join(cell.source for cell in cells))
        assert len(sources) > 5 and all(source.startswith("data:image/") for source in sources)
        assert not any("](figures/" in cell.source for cell in cells)
    assert sum("image/svg+xml" in source for source in sources) >= 2


def test_what_cannot_be_shown(chapters: Path):
    chapter = nbformat.read(chapters / "05_measures.ipynb", as_version=4)
    chapter.cells[2].outputs = []
    nbformat.write(chapter, chapters / "05_measures.ipynb")
    for name, words in (("05_measures", "chip book --refresh"), ("06_none", "no 06_none")):
        with pytest.raises(CannotTeach, match=words):
            lecture_notebook(Lecture(1, "Dots", (name,)), chapters)


def test_the_command(chapters: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    folder = tmp_path / "slides"
    assert main(["slides", str(folder)], notebooks=chapters) == 0
    names = {f"lecture-{i}.{kind}" for i in (1, 2, 3) for kind in ("html", "ipynb")}
    assert {path.name for path in folder.iterdir()} == names
    (folder / "lecture-1.html").unlink()
    (folder / "lecture-2.html").write_text("mine")
    assert main(["slides", str(folder / "lecture-3.html")], notebooks=chapters) == 2
    assert "is a file: give the name of a folder" in capsys.readouterr().err
    assert main(["slides", str(folder)], notebooks=chapters) == 2
    assert "is there" in capsys.readouterr().err
    assert (folder / "lecture-2.html").read_text() == "mine"
    assert not (folder / "lecture-1.html").exists()
