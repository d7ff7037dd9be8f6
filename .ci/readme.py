"""Makes README.md from nbs/index.ipynb: execute it, drop what is hidden, convert to Markdown.

python .ci/readme.py           write README.md
python .ci/readme.py --check   exit with 1 if README.md is not what the notebook says
"""

import sys
import tempfile
from pathlib import Path

import nbformat
import papermill
from nbconvert import MarkdownExporter

ROOT = Path(__file__).resolve().parent.parent


def readme() -> str:
    "The Markdown of the executed index notebook, without hidden cells and without the code of `#| echo: false` cells."
    with tempfile.TemporaryDirectory() as folder:
        done = Path(folder) / "index.ipynb"
        papermill.execute_notebook(
            str(ROOT / "nbs" / "index.ipynb"),
            str(done),
            cwd=str(ROOT),
            progress_bar=False,
            kernel_name="python3",
        )
        notebook = nbformat.read(done, as_version=4)
    notebook.cells = [
        cell
        for cell in notebook.cells
        if not cell.source.startswith(("#| hide", "#| default_exp"))
        and "injected-parameters" not in cell.metadata.get("tags", [])
    ]
    for cell in notebook.cells:
        if cell.source.startswith("#| echo: false"):
            cell.metadata["tags"] = ["quiet"]
    exporter = MarkdownExporter()
    exporter.register_preprocessor("nbconvert.preprocessors.TagRemovePreprocessor", enabled=True)
    exporter._preprocessors[-1].remove_input_tags = {"quiet"}
    return exporter.from_notebook_node(notebook)[0].strip() + "\n"


if __name__ == "__main__":
    text, path = readme(), ROOT / "README.md"
    if "--check" in sys.argv:
        sys.exit(
            0
            if path.exists() and path.read_text(encoding="utf-8") == text
            else "README.md differs from nbs/index.ipynb: run python .ci/readme.py"
        )
    path.write_text(text, encoding="utf-8")
