"The book: what is committed of the executed chapters, and what a stranger meets in the pages made of them."

import importlib.util
import json
import re
import shutil
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
import pytest

from chip.running import book
from chip.running.cli import main

ROOT = Path(__file__).resolve().parent.parent
NBS = ROOT / "nbs"
CHAPTERS = book.chapters_of(NBS)
BUILDS = importlib.util.find_spec("myst_nb") and importlib.util.find_spec("sphinx_book_theme")


def pictures(cell: nbformat.NotebookNode) -> list[str]:
    "The kinds of the pictures among a cell's outputs."
    data = [output.get("data", {}) for output in cell.get("outputs", ())]
    kinds = [kind for parts in data for kind in parts if kind.startswith("image/")]
    return kinds + ["webp" for parts in data if "<img" in parts.get("text/html", "")]


# What is committed


def test_outputs_are_not_older_than_the_code():
    old = book.older_chapters(NBS)
    said = "\n".join(f"{chapter}: {why}" for chapter, why in old.items())
    assert not old, f"chip book --refresh executes them again:\n{said}"


def test_outputs_are_small():
    sizes = {path.stem: path.stat().st_size for path in CHAPTERS}
    assert max(sizes.values()) <= book.MOST_CHAPTER, sizes
    assert sum(sizes.values()) <= book.MOST_BOOK, sizes


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_outputs_are_fit_to_be_kept(path: Path):
    "No path of a machine, no progress bar, no time, no error; every picture says what it shows."
    for cell in nbformat.read(path, as_version=4).cells:
        for output in cell.get("outputs", ()):
            assert output.output_type in ("stream", "display_data"), cell.id
            text = output.get("text", "") + "".join(
                value
                for kind, value in output.get("data", {}).items()
                if not kind.startswith("image/")
            )
            text = re.sub(r'src="data:[^"]*"', "", text)
            assert not re.search(r"/(?:work|home|tmp|root|Users)/|\d+%\||it/s\]", text), cell.id
        shown_by = cell.metadata.get("mystnb", {})
        if pictures(cell):
            assert shown_by.get("figure", {}).get("caption"), f"{cell.id}: a caption is missing"
            assert shown_by.get("image", {}).get("alt"), f"{cell.id}: what does it show?"


def small_package(folder: Path, body: str) -> Path:
    "A package with one module, and a chapter that imports it."
    (folder / "chip").mkdir(parents=True)
    (folder / "chip" / "thing.py").write_text(body)
    cell = nbformat.v4.new_code_cell("from chip.thing import f\n\nf(2)")
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), folder / "01_a.ipynb")
    return folder


@pytest.mark.parametrize(
    "body, same",
    [
        ('def f(x):\n    "Doubles."\n    return 2 * x', True),
        ("def f(\n    x,  # a number\n):\n    return 2 * x", True),
        ("def f(x):\n    return 2 * x + 0", False),
        ("def f(x=1):\n    return 2 * x", False),
    ],
)
def test_what_makes_outputs_old(tmp_path: Path, body: str, same: bool):
    one = small_package(tmp_path / "one", "def f(x):\n    return 2 * x")
    two = small_package(tmp_path / "two", body)
    before, after = (book.fingerprints(f / "01_a.ipynb", f / "chip") for f in (one, two))
    assert (before == after) is same and before["cells"] == after["cells"]


def test_a_refresh_leaves_clean_outputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    "Messages, paths and addresses go, pictures get small; made again, it is the same to the byte."
    monkeypatch.setenv("CHIP_HOME", str(tmp_path))
    code = (
        "import os, sys, matplotlib.pyplot as plt\n"
        "print('10%|# | 1/10 [00:01, 3.2it/s]', file=sys.stderr)\n"
        "print(os.environ['CHIP_HOME'] + '/reports/demo', object())\n"
        "_ = plt.plot([1, 2, 3])"
    )
    cell = nbformat.v4.new_code_cell(code, metadata={"mystnb": {"image": {"alt": "a line"}}})
    notebooks = tmp_path / "nbs"
    notebooks.mkdir()
    texts = []
    for _ in range(2):
        nbformat.write(nbformat.v4.new_notebook(cells=[cell]), notebooks / "01_a.ipynb")
        book.refresh_chapters([], notebooks, lambda line: None)
        texts.append((notebooks / "01_a.ipynb").read_text())
    assert texts[0] == texts[1] and not book.older_chapters(notebooks)
    outputs = json.loads(texts[0])["cells"][0]["outputs"]
    assert [output["output_type"] for output in outputs] == ["stream", "display_data"]
    assert "".join(outputs[0]["text"]) == "reports/demo <object object>\n"


def test_a_chapter_that_fails_is_named_and_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CHIP_HOME", str(tmp_path))
    cell = nbformat.v4.new_code_cell("raise ValueError('no such animal')")
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / "01_a.ipynb")
    before = (tmp_path / "01_a.ipynb").read_bytes()
    with pytest.raises(book.Refused, match="01_a.ipynb.*no such animal"):
        book.refresh_chapters([], tmp_path)
    assert (tmp_path / "01_a.ipynb").read_bytes() == before


# The command


def test_what_is_not_a_book_stays(tmp_path: Path, capsys: pytest.CaptureFixture):
    (tmp_path / "mine.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path, target_is_directory=True)
    for out in (tmp_path, tmp_path / "file", tmp_path / "link"):
        if BUILDS:
            assert main(["book", "--out", str(out)]) == 2
        with pytest.raises(book.Refused, match="give another --out"):
            book.check_out(out)
    assert (tmp_path / "mine.txt").read_text() == "mine"


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name: None if name == "sphinx" else find(name)
    )
    assert main(["book"]) == 2
    assert "pip install -e '.[book]'" in capsys.readouterr().err


def test_unknown_chapters_are_refused(capsys: pytest.CaptureFixture):
    assert main(["book", "--refresh", "06_measures"]) == 2
    assert "there is no chapter '06_measures'" in capsys.readouterr().err
    assert main(["book", "--refresh", "05_measures", "--out", "x"]) == 2
    assert main(["book", "--out", ""]) == 2


# The chapters


def test_the_tour_needs_nothing_but_drawn_animals():
    "Twenty-five cells at most, plain PyTorch and scikit-learn."
    cells = nbformat.read(NBS / "01_tour.ipynb", as_version=4).cells
    code = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
    assert len([cell for cell in cells if not book._is_exercise(cell)]) <= 25
    imported = set(re.findall(r"^\s*(?:from|import) (chip[\w.]*)", code, re.MULTILINE))
    assert imported and all(name.startswith("chip.data.") for name in imported)


# The pages


def test_buttons_that_launch_need_a_public_address(tmp_path: Path):
    (tmp_path / "settings.ini").write_text(
        "[DEFAULT]\npublic_address = https://example.org/us/chip/\n"
    )
    address = book.public_address(tmp_path)
    assert address == "https://example.org/us/chip" and not book.public_address(tmp_path / "none")
    theme = book.sphinx_settings("A book", address)["html_theme_options"]
    assert theme["repository_url"] == address and theme["launch_buttons"]
    assert "launch_buttons" not in book.sphinx_settings("A book", "")["html_theme_options"]


def test_every_study_stands_behind_a_chapter():
    chapters = [path.stem for path in CHAPTERS]
    for path in (NBS / "studies").glob("*.ipynb"):
        study = nbformat.read(path, as_version=4)
        assert book.chapter_behind(study, path.stem, chapters) in chapters, path.stem


class Read(HTMLParser):
    "What a stranger's program sees of a page."

    def __init__(self, text: str):
        super().__init__()
        self.ids, self.links, self.sources, self.text = set(), [], [], []
        self.pictures: list[dict] = []
        self.figures, self.captions = 0, 0
        self._quiet = 0
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list):
        have = dict(attrs)
        self.ids.add(have.get("id"))
        if tag == "a" and "href" in have:
            self.links.append(have["href"])
        if tag in ("script", "img", "iframe") and have.get("src"):
            self.sources.append(have["src"])
        if tag == "link":
            self.sources.append(have["href"])
        if tag == "img":
            self.pictures.append(have)
        self.figures += tag == "figure"
        self.captions += tag == "figcaption"
        self._quiet += tag in ("script", "style", "pre", "code")

    def handle_endtag(self, tag: str):
        self._quiet -= tag in ("script", "style", "pre", "code")

    def handle_data(self, data: str):
        if not self._quiet:
            self.text.append(data)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    "A book of the first chapters, a study and the glossary, as the command builds it of all."
    if not BUILDS:
        pytest.skip("pip install -e '.[book]'")
    folder = tmp_path_factory.mktemp("book") / "book"
    parts = book.pages_of(NBS)
    some = {"index", "01_tour", "05_measures", "20_oneshot", "glossary"}
    parts = {
        "The book": [page for page in parts["The book"] if page.name in some],
        "Studies": parts["Studies"][-2:],
    }
    page, warnings = book.build_book(folder, NBS, parts)
    assert page == folder / "index.html" and warnings == []
    yield folder
    shutil.rmtree(folder)


def own_pages(folder: Path) -> dict[Path, Read]:
    "The book's own pages; those of reference runs have tests of their own."
    paths = [path for path in folder.rglob("*.html") if not {"reports", "_static"} & {*path.parts}]
    return {path: Read(path.read_text("utf-8")) for path in paths}


@pytest.mark.book
def test_no_link_is_dead_and_every_page_is_reached(built: Path):
    pages, reached, todo = own_pages(built), set(), [built / "index.html"]
    while todo:
        path = todo.pop()
        if path in reached or path not in pages:
            continue
        reached.add(path)
        for link in pages[path].links:
            parts = urlsplit(link)
            if parts.scheme:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            target = target / "index.html" if target.is_dir() else target
            assert target.is_file(), f"{path.name}: {link}"
            if parts.fragment and target in pages:
                assert unquote(parts.fragment) in pages[target].ids, f"{path.name}: {link}"
            todo.append(target)
    lost = {path.name for path in set(pages) - reached} - {"genindex.html", "search.html"}
    assert not lost


@pytest.mark.book
def test_every_picture_has_words(built: Path):
    for path, page in own_pages(built).items():
        assert all(picture.get("alt") for picture in page.pictures), path.name
        assert page.captions == page.figures, path.name
    assert len(own_pages(built)[built / "05_measures.html"].pictures) >= 2


@pytest.mark.book
def test_nothing_is_asked_of_another_address(built: Path):
    for path, page in own_pages(built).items():
        outside = [s for s in page.sources if urlsplit(s).scheme not in ("", "data")]
        assert not outside, path.name
    for path in built.rglob("*.css"):
        assert not re.search(r"(?:@import|url\()\s*['\"]?(?:https?:)?//", path.read_text("utf-8"))


@pytest.mark.book
def test_nothing_strange_is_read(built: Path):
    for path, page in own_pages(built).items():
        text = " ".join(page.text)
        assert "None" not in {data.strip() for data in page.text}, path.name
        for strange in ("Traceback", "<Axes", "<Figure", "#| ", "default_exp", "{term}"):
            assert strange not in text, f"{path.name}: {strange}"
        whole = path.read_text("utf-8")
        assert not re.search(r"/(?:work|home|tmp|root|Users)/\w", whole), path.name


@pytest.mark.book
def test_the_first_figure_comes_before_open_code(built: Path):
    text = (built / "05_measures.html").read_text("utf-8")
    before = text[text.index("<article") : text.index("<figure")]
    opened = re.sub(r"<details.*?</details>", "", before, flags=re.DOTALL)
    assert "highlight-ipython" not in opened


@pytest.mark.book
def test_a_book_is_made_again_in_its_place(built: Path):
    (built / "notes.txt").write_text("mine")
    page, warnings = book.build_book(built, NBS, {"The book": book.pages_of(NBS)["The book"][:1]})
    assert page.is_file() and not (built / "05_measures.html").exists()
    assert (built / "notes.txt").read_text() == "mine"
    assert [path.name for path in built.parent.iterdir()] == ["book"]
