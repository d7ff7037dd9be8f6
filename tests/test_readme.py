"README.md is what its notebook says."

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def test_readme_is_fresh():
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, str(ROOT / ".ci" / "readme.py"), "--check"],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def test_every_notebook_is_named():
    "The README's table leads to every chapter, singly or as the end of a range."
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for path in (ROOT / "nbs").rglob("[0-9]*.ipynb"):
        ranged = path.stem[0] == "6"  # the studies are given as a range
        assert ranged or path.relative_to(ROOT).as_posix() in text, (
            f"{path.name} is not in the README"
        )
