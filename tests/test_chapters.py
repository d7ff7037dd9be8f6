"What a chapter carries beside its subject: few tests, few imports, and cells that can be seen whole."

import ast
import json
import re
from pathlib import Path

import pytest

NBS = Path(__file__).resolve().parent.parent / "nbs"
MOST = 0.25
MOST_LINES = 50  # of a cell
MOST_IMPORTS = 19  # names from the package, in a chapter of the book
_TESTS = re.compile(r"\bassert\b|\bpytest\b|\btest_\w+")


def notebooks() -> list[Path]:
    return [p for p in sorted(NBS.rglob("*.ipynb")) if ".ipynb_checkpoints" not in p.parts]


def code_cells(path: Path) -> list[str]:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


def is_exported(source: str) -> bool:
    return any(line.startswith("#| export") for line in source.splitlines()[:3])


def helpers(source: str) -> set[str]:
    "Functions and classes that a cell defines and that test something themselves."
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return set()
    return {
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and _TESTS.search(ast.unparse(node))
    }


def lines(source: str) -> int:
    return sum(bool(line.strip()) for line in source.splitlines())


def share_of_tests(path: Path) -> tuple[int, int]:
    "Lines of cells that test something, and lines of all code cells, blank ones not counted."
    cells = code_cells(path)
    plain = [source for source in cells if not is_exported(source)]
    called = set().union(*map(helpers, plain))
    tests = [
        source
        for source in plain
        if _TESTS.search(source) or any(re.search(rf"\b{name}\(", source) for name in called)
    ]
    return sum(map(lines, tests)), sum(map(lines, cells))


def table() -> list[tuple[str, int, int]]:
    return [(str(p.relative_to(NBS)), *share_of_tests(p)) for p in notebooks()]


@pytest.mark.parametrize("path", notebooks(), ids=lambda p: str(p.relative_to(NBS)))
def test_tests_are_a_quarter_of_a_chapter_at_most(path: Path):
    tests, code = share_of_tests(path)
    print(f"{path.name}: {tests} of {code} lines of code are tests ({tests / max(1, code):.0%})")
    assert tests <= MOST * code, f"{tests} of {code} lines: move what is no hand-worked value"


def imported(source: str) -> set[str]:
    "The names of the package that a cell imports, wherever in it."
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom | ast.Import):
            module = getattr(node, "module", "") or ""
            found |= {f"{module}.{name.name}".removeprefix(".") for name in node.names}
    return {name for name in found if name.split(".")[0] == "chip"}


def test_imports_are_counted():
    source = "import chip.kin\nfrom chip import place\ndef f():\n    from torch import nn"
    assert imported(source) == {"chip.kin", "chip.place"}


@pytest.mark.parametrize("path", sorted(NBS.glob("[0-9]*.ipynb")), ids=lambda p: p.name)
def test_a_chapter_imports_little(path: Path):
    cells = [source for source in code_cells(path) if "chip.teaching" not in source]
    names = set().union(*map(imported, cells))
    assert len(names) <= MOST_IMPORTS, f"{len(names)} names: {', '.join(sorted(names))}"


@pytest.mark.parametrize("path", notebooks(), ids=lambda p: str(p.relative_to(NBS)))
def test_a_cell_can_be_seen_whole(path: Path):
    long = [s[:60] for s in code_cells(path) if len(s.splitlines()) > MOST_LINES]
    assert not long, f"more than {MOST_LINES} lines: {long}"


def test_no_two_cells_of_a_notebook_have_one_id():
    for path in notebooks():
        ids = [cell["id"] for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]]
        assert len(set(ids)) == len(ids), path


def test_the_tour_has_as_many_cells_as_its_title_and_the_readme_say():
    cells = json.loads((NBS / "01_tour.ipynb").read_text(encoding="utf-8"))["cells"]
    words = {20 + i: f"twenty-{word}" for i, word in enumerate(("one", "two", "three", "four"), 1)}
    assert f"in {words[len(cells)]} cells\n" in "".join(cells[0]["source"])
    readme = (NBS.parent / "README.md").read_text(encoding="utf-8")
    assert f"[a tour](nbs/01_tour.ipynb) in {len(cells)} cells" in readme


if __name__ == "__main__":
    for name, tests, code in table():
        print(f"{tests / max(1, code):5.0%}  {tests:4} of {code:4}  {name}")
