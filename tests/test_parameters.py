"Parameters cells agree with the settings, and a notebook that papermill is used on directly refuses what it does not take."

import ast
import json
import os
import re
from dataclasses import fields
from pathlib import Path

import nbformat
import papermill
import pytest
from processes import forked, run_papermill

from chip.core.settings import SettingError, Settings, check_value, settings_of
from chip.running.runs import PHASES

ROOT = Path(__file__).resolve().parent.parent
PATHS = {
    path.stem: path
    for path in sorted((ROOT / "nbs").rglob("[0-9]*.ipynb"))
    if ".ipynb_checkpoints" not in path.parts
}
SETTINGS = {f.name: f for f in fields(Settings)}
PHASE_NOTEBOOKS = [phase.notebook for phase in PHASES]


def code_cells(notebook: str) -> list[nbformat.NotebookNode]:
    return [
        cell
        for cell in nbformat.read(PATHS[notebook], as_version=4).cells
        if cell.cell_type == "code"
    ]


def is_parameters(cell: nbformat.NotebookNode) -> bool:
    return "parameters" in cell.metadata.get("tags", [])


def parameters(notebook: str) -> dict[str, tuple[str, object]]:
    "Type as written and default, by name, of a notebook's parameters cell; empty where it has none."
    found = {}
    for cell in filter(is_parameters, code_cells(notebook)):
        for line in ast.parse(cell.source).body:
            found[line.target.id] = (ast.unparse(line.annotation), ast.literal_eval(line.value))
    return found


ALL = {notebook: parameters(notebook) for notebook in PATHS}
WITH_PARAMETERS = [notebook for notebook, found in ALL.items() if found]


@pytest.mark.parametrize("notebook", WITH_PARAMETERS)
def test_parameters_agree_with_the_settings(notebook: str):
    for name, (kind, default) in ALL[notebook].items():
        assert kind in ("str", "int", "float", "bool"), (
            f"{name} has no type that a command line can give"
        )
        if name not in SETTINGS:
            continue
        assert kind == SETTINGS[name].type.__name__, name
        if default is not None:
            assert check_value(name, default) == default, name
        if notebook in PHASE_NOTEBOOKS:
            assert default is None or name == "profile", (
                f"{name}: a phase leaves its profile's value where it is given none"
            )


def test_each_setting_is_some_phases_parameter():
    taken = [name for notebook in PHASE_NOTEBOOKS for name in settings_of(notebook)]
    assert sorted(taken) == sorted(SETTINGS)  # and of one phase only
    for notebook in PHASE_NOTEBOOKS:
        first, second, *others = ALL[notebook]
        assert (first, second) == ("profile", "name")
        assert set(others) <= set(settings_of(notebook)) and len(others) <= 9
        assert ALL[notebook]["profile"] == ("str", "demo")  # at which the prose reads it


def check_of(notebook: str) -> dict[str, tuple]:
    "What the cell after the parameters cell declares to be allowed, by name; that cell holds nothing but the check."
    cells = code_cells(notebook)
    phase = f", '{notebook}'" if notebook in PHASE_NOTEBOOKS else ""
    importing, call = ast.parse(
        cells[next(i for i, cell in enumerate(cells) if is_parameters(cell)) + 1].source
    ).body
    assert ast.unparse(
        importing
    ) == "from chip.core.settings import check_parameters" and ast.unparse(call).startswith(
        f"check_parameters(globals(){phase}"
    )
    return {keyword.arg: ast.literal_eval(keyword.value) for keyword in call.value.keywords} | {
        "name": ()
    }


# any text: whatever reads it says what is wrong with it
FREE = ("name", "images", "more_encoders", "glosses", "sweeps", "losses", "references")


@pytest.mark.parametrize("notebook", WITH_PARAMETERS)
def test_own_parameters_say_what_they_may_be(notebook: str):
    "Texts have choices and numbers a range, either among the settings or in the check."
    declared = check_of(notebook)
    for name, (kind, _default) in ALL[notebook].items():
        if name in SETTINGS or name in FREE or kind == "bool":
            continue
        assert declared.get(name), (
            f"{notebook}: {name}: {kind} has no choices and no range in the call of check_parameters"
        )
        assert isinstance(declared[name][0], str) == (kind == "str"), name
    assert set(declared) <= set(ALL[notebook])


@pytest.mark.parametrize("notebook", WITH_PARAMETERS)
def test_parameters_are_checked_at_once(notebook: str):
    cells = code_cells(notebook)
    at = next(i for i, cell in enumerate(cells) if is_parameters(cell))
    assert "name" in ALL[notebook] and check_of(notebook)
    assert all("import" not in cell.source for cell in cells[: at + 1]), (
        "what is misspelt has to fail before anything heavy is imported"
    )
    assert list(papermill.inspect_notebook(str(PATHS[notebook]))) == list(
        ALL[notebook]
    )  # it parses comments as well, and leaves out what it cannot parse


@pytest.mark.parametrize("notebook", PHASE_NOTEBOOKS)
def test_a_phase_leaves_its_parameters_alone(notebook: str):
    cells = code_cells(notebook)
    at = next(i for i, cell in enumerate(cells) if is_parameters(cell))
    start = next(i for i, cell in enumerate(cells) if cell.source.startswith("run, settings"))
    for cell in cells[:at] + cells[at + 1 : start]:
        assigned = {
            node.id
            for line in ast.parse(cell.source).body
            for node in ast.walk(line)
            if isinstance(node, ast.Name)
            and isinstance(node.ctx, ast.Store)
            and not isinstance(line, (ast.FunctionDef, ast.ClassDef))
        }
        assert not assigned & set(ALL[notebook]), (
            f"{assigned & set(ALL[notebook])} would replace what was asked for: {cell.source[:200]}"
        )


@pytest.mark.parametrize(
    "notebook, given, says",
    [
        (
            "10_hierarchy",
            ["seeed", "3"],
            "this notebook has no parameter 'seeed', did you mean 'seed'?",
        ),
        ("10_hierarchy", ["profile", "photos"], "profile photos needs pictures: --images DIR"),
        ("10_hierarchy", ["k1_max", "lots"], "k1_max=lots: expected a whole number from 2 on"),
        ("10_hierarchy", ["k1", "9", "-p", "k2", "9"], "k2=9 super-parents need more than k1=9"),
        (
            "20_oneshot",
            ["k1_max", "9"],
            "this notebook does not take 'k1_max': it belongs to 10_hierarchy",
        ),
        ("30_unseen", ["unseen_margin", "3"], "unseen_margin=3: expected a number from 0 to 2"),
        ("40_results", ["name", "a/b"], "name='a/b': a run's name is made of letters"),
        (
            "61_poolings",
            ["pictures", "tinny"],
            "pictures=tinny: expected one of made_up, tiny, menagerie (did you mean tiny?)",
        ),
    ],
)
def test_papermill_directly(tmp_path: Path, notebook: str, given: list[str], says: str):
    home, out = tmp_path / "home", tmp_path / "out.ipynb"
    home.mkdir()
    environment = {**os.environ, "CHIP_HOME": str(home), "PYTHONPATH": str(ROOT)}
    words = (str(PATHS[notebook]), str(out), "-p", *given)
    done = forked(run_papermill, *words, environment=environment)
    assert done.returncode != 0 and "SettingError: " in done.stderr and says in done.stderr, (
        done.stderr
    )
    cells = [cell for cell in json.loads(out.read_text())["cells"] if cell["cell_type"] == "code"]
    failed = next(
        i
        for i, cell in enumerate(cells)
        if any(o["output_type"] == "error" for o in cell["outputs"])
    )
    assert "".join(cells[failed]["source"]).startswith(
        "from chip.core.settings import check_parameters\n"
    )
    assert not any("import " in "".join(cell["source"]) for cell in cells[:failed])
    assert "injected-parameters" in cells[failed - 1]["metadata"]["tags"]
    assert not any(cell["outputs"] or cell["execution_count"] for cell in cells[failed + 1 :])
    assert not list(home.iterdir())


@pytest.mark.parametrize(
    "notebook, name, value, says",
    [
        ("62_choice_of_k", "starts", 0, "starts=0: expected a whole number from 1 on"),
        ("63_clusterers", "keep_tables", "maybe", "keep_tables=maybe: expected true or false"),
        ("63_clusterers", "n_seeds", 0, "n_seeds=0: expected a whole number from 1 to 100"),
        ("64_atlas", "perplexity", "lots", "perplexity=lots: expected a number from 1 to 365"),
        ("61_poolings", "images", "nowhere", "images=nowhere: there is no such folder"),
        ("66_placing", "scope", "every", "scope=every: expected one of few, all"),
        ("67_training", "max_classes", 2.5, "max_classes=2.5: expected a whole number from 0 on"),
    ],
)
def test_a_study_refuses(notebook: str, name: str, value: object, says: str):
    "The first cells as papermill leaves them, without a kernel."
    cells = [cell.source for cell in code_cells(notebook)]
    at = next(i for i, cell in enumerate(code_cells(notebook)) if is_parameters(cell))
    injected = f"# Parameters\n{name} = {value!r}\n"
    space = {"In": [*cells[: at + 1], injected]}
    for cell in (cells[at], injected):
        exec(cell, space)
    with pytest.raises(SettingError, match=re.escape(says)):
        exec(cells[at + 1], space)
