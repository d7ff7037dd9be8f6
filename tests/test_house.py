"The house has one direction of imports, and no chapter carries more tests than it can bear."

import ast
import json
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
NBS = ROOT / "nbs"

# From the ground up; what stands on one line may import from lines above it and, within a wing,
# from its own wing. A top chapter imports from chapters before it.
FLOORS = (
    ("data",),
    ("compute",),
    ("core",),
    ("measures",),
    ("hierarchy",),
    ("losses",),
    ("oneshot",),
    ("unseen",),
    ("kin",),
    ("place",),
    ("results",),
    ("audit",),
    ("ledger",),
    ("teaching", "studies"),
    ("running",),
)
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}


def notebooks() -> list[Path]:
    return [p for p in sorted(NBS.rglob("*.ipynb")) if ".ipynb_checkpoints" not in p.parts]


def code_cells(path: Path, exercises: bool = False) -> list[str]:
    "What a notebook runs, without the cells in which readers type answers; or these alone."
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [
        "".join(cell["source"])
        for cell in cells
        if cell["cell_type"] == "code"
        and exercises == ("exercise" in cell["metadata"].get("tags", []))
    ]


def module_of(path: Path) -> str | None:
    "The module that a notebook exports, below the package; None where it exports none."
    for source in code_cells(path):
        for line in source.splitlines():
            if line.startswith("#| default_exp"):
                return line.split()[-1]
    return None


def names_imported(source: str) -> set[str]:
    "Modules of the package that code names: by import, anywhere, or in a text for importlib."
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found |= {f"{node.module}.{name.name}" for name in node.names}
        elif isinstance(node, ast.Call) and _called(node) in ("import_module", "__import__"):
            found |= {ast.unparse(argument).strip("'\"f") for argument in node.args}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found |= {word for word in node.value.split() if word.startswith("chip.")}
    return {name.removeprefix("chip.") for name in found if name.startswith("chip.")}


def _called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def room_of(module: str) -> str:
    return module.split(".")[0]


def runs_back(module: str, imported: str) -> bool:
    "Whether an import goes up; what is no room of the house (chip.__version__) goes nowhere."
    to, start = FLOOR.get(room_of(imported)), FLOOR[room_of(module)]
    if to is None or room_of(imported) == room_of(module):
        return False
    return to >= start


def test_an_import_that_runs_back_is_seen():
    assert runs_back("data.images", "core.settings")
    assert runs_back("oneshot", "unseen") and not runs_back("unseen", "oneshot")
    assert runs_back("studies.placing", "teaching.exercises")
    assert not runs_back("running.runs", "studies.placing")
    inside = "def f():\n    from chip.core.settings import Run\n    import_module('chip.kin')"
    assert names_imported(inside) == {"core.settings.Run", "kin"}


@pytest.mark.parametrize("path", notebooks(), ids=lambda p: str(p.relative_to(NBS)))
def test_imports_go_one_way(path: Path):
    module = module_of(path)
    if module is None:  # solutions and the README: they export nothing, so nothing can lean on them
        return
    assert room_of(module) in FLOOR, f"{module} is no room of the house"
    back = sorted(
        {
            name
            for source in code_cells(path)
            for name in names_imported(_plain(source))
            if runs_back(module, name)
        }
    )
    assert not back, f"{module} imports what stands above it: {', '.join(back)}"


def _plain(source: str) -> str:
    "Without what IPython alone understands."
    return "\n".join(
        "pass" if line.lstrip()[:1] in ("%", "!") else line for line in source.splitlines()
    )


@pytest.mark.parametrize("path", notebooks(), ids=lambda p: str(p.relative_to(NBS)))
def test_a_notebook_lies_where_its_module_does(path: Path):
    module = module_of(path)
    if module is not None:
        assert list(path.relative_to(NBS).parts[:-1]) == module.split(".")[:-1]


@pytest.mark.parametrize("path", sorted(NBS.glob("*.ipynb")), ids=lambda p: p.name)
def test_exercises_are_no_part_of_the_house(path: Path):
    "They ask the checker, which stands above the chapters: so nothing of them is exported."
    cells = code_cells(path, exercises=True)
    assert not [source for source in cells if source.startswith("#|")]
    imported = set().union(*map(names_imported, cells))
    assert all(name.startswith("teaching.exercises") for name in imported), imported


NOT_ON_WINDOWS = {
    "modules": {"fcntl", "grp", "posix", "pty", "pwd", "resource", "termios", "tty"},
    "signal": {"SIGALRM", "SIGHUP", "SIGKILL", "SIGUSR1", "SIGUSR2", "alarm", "setitimer"},
    "os": {"fork", "getpgid", "getuid", "geteuid", "killpg", "mkfifo", "nice", "sched_getaffinity"},
}


def read_at_import(tree: ast.AST) -> list[ast.AST]:
    "What a module's import evaluates: all but the bodies of functions."
    found, todo = [], list(ast.iter_child_nodes(tree))
    while todo:
        node = todo.pop()
        found.append(node)
        for name, value in ast.iter_fields(node):
            if isinstance(node, ast.Lambda | ast.FunctionDef) and name == "body":
                continue
            values = value if isinstance(value, list) else [value]
            todo += [v for v in values if isinstance(v, ast.AST)]
    return found


def lacks_windows(source: str) -> list[str]:
    "What a module needs at its import, or imports anywhere, that there is not on Windows."
    tree, lacking = ast.parse(source), []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            lacking += [n.name for n in node.names if n.name in NOT_ON_WINDOWS["modules"]]
        elif isinstance(node, ast.ImportFrom) and node.module in NOT_ON_WINDOWS["modules"]:
            lacking.append(node.module)
    for node in read_at_import(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            missing = node.attr in NOT_ON_WINDOWS.get(node.value.id, ())
            lacking += [f"{node.value.id}.{node.attr}"] * missing
    return lacking


def test_no_import_fails_on_windows():
    assert lacks_windows("import signal\nEND = (signal.SIGHUP,)") == ["signal.SIGHUP"]
    assert lacks_windows("def f():\n    import fcntl\n    os.fork()") == ["fcntl"]
    for path in sorted((ROOT / "chip").rglob("*.py")):
        assert lacks_windows(path.read_text(encoding="utf-8")) == [], path
