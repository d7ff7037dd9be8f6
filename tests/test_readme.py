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


def test_the_doors_lead_everywhere():
    "The README links every chapter of the book, and the folder of every wing."
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    chapters = {path.relative_to(ROOT).as_posix() for path in (ROOT / "nbs").glob("[0-9]*.ipynb")}
    wings = {path.parent.relative_to(ROOT).as_posix() for path in (ROOT / "nbs").glob("*/*.ipynb")}
    lacking = [path for path in sorted(chapters | wings) if f"]({path})" not in text]
    assert not lacking, f"not in the README: {', '.join(lacking)}"
