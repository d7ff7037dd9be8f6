"What shows of the taxonomy only from outside a notebook: the project's root, light imports, a user's file on disk."

import subprocess
import sys
from pathlib import Path

from chip.data import places, taxonomy

ROOT = Path(__file__).parent.parent


def test_home_is_the_project_wherever_one_stands(monkeypatch, tmp_path):
    monkeypatch.delenv("CHIP_HOME", raising=False)
    monkeypatch.chdir(tmp_path)
    assert places.home() == ROOT.resolve()
    assert len(taxonomy.all_animals().keys) == 386


def test_home_can_be_set_and_the_facts_stay_with_the_package(monkeypatch, tmp_path):
    monkeypatch.setenv("CHIP_HOME", str(tmp_path))
    assert places.home() == tmp_path.resolve()
    assert taxonomy.imagenet_index()["n01440764"] == 0 and len(taxonomy.animals().keys) == 366


def test_importing_it_needs_no_deep_learning():
    code = "import sys, chip.data.taxonomy; assert not {'torch', 'nbdev', 'fastcore', 'matplotlib'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_names_and_cuts_do_not_depend_on_the_hash_seed():
    code = (
        "from chip.data.taxonomy import *; from chip.data.names import name_clusters; t = animals(); c = t.cut(40);"
        "print([str(n) for n in name_clusters(t, [[k for k, g in zip(t.keys, c) if g == i][::2] for i in range(max(c) + 1)]"
        " + [list(t.keys[i::7]) for i in range(7)])], c.tolist())"
    )
    runs = {
        subprocess.run(
            [sys.executable, "-c", code],
            check=True,
            cwd=ROOT,
            capture_output=True,
            text=True,
            env={"PYTHONHASHSEED": seed, "PATH": ""},
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(runs) == 1
