"""Run lessons and keep their outputs for who reads them in the repository: ``make lessons``.

Kept is what shows without a kernel: text and HTML. Widgets, their state, times of execution and the
folders of this machine are not. ``python -m tests.notebooks.keep 01-console`` does so for one.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbconvert.preprocessors import CoalesceStreamsPreprocessor

from tests.console.loopback import end_exchanges

LESSONS = Path(__file__).parents[2] / "notebooks"
STATE = "~/.local/state/contractdesk"  # where a reader's own desks are
READABLE = ("text/html", "text/plain")


def main() -> int:
    names = sys.argv[1:] or sorted(path.stem for path in LESSONS.glob("*.ipynb"))
    for name in names:
        with tempfile.TemporaryDirectory(prefix="contractdesk-") as folder:
            os.environ["CONTRACTDESK_STATE"] = folder
            try:
                keep(LESSONS / f"{name}.ipynb", folder)
            finally:
                end_exchanges()
        sys.stdout.write(f"{name}\n")
    return 0


def keep(path: Path, state: str) -> None:
    """Execute the lesson, and write it back with the outputs of this run."""
    book = nbformat.read(path, as_version=4)
    folder = {"metadata": {"path": str(path.parent)}}
    NotebookClient(book, timeout=300, resources=folder).execute()
    # Not while it runs: a display that is updated later is found by its number.
    book, _ = CoalesceStreamsPreprocessor().preprocess(book, {})
    book.metadata = {
        "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    for cell in book.cells:
        cell.metadata = {"tags": cell.metadata["tags"]} if cell.metadata.get("tags") else {}
        if cell.cell_type == "code":
            cell.outputs = [plain(output, state) for output in cell.outputs if output.get("name") != "stderr"]
    nbformat.write(book, path)


def plain(output: Any, state: str) -> Any:
    """The output with what can be read without a kernel alone."""
    if output.output_type == "stream":
        output.text = elsewhere(output.text, state)
    elif "data" in output:
        output.data = {kind: elsewhere(output.data[kind], state) for kind in READABLE if kind in output.data}
        output.metadata = {}
    return output


def elsewhere(text: str, state: str) -> str:
    """The text as it would read on a reader's machine."""
    return text.replace(state, STATE).replace(f"{tempfile.gettempdir()}/", "")


if __name__ == "__main__":
    sys.exit(main())
