"""Make the pictures of the lessons: ``python -m tests.e2e.lessons [01-console ...]``, or ``make pictures``.

Each lesson runs in a real JupyterLab up to the cell where it begins to end, and the picture is of what its
screen then shows.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import nbformat
from msgspec import Struct
from playwright.sync_api import Page

from tests.e2e.lab import CHROMIUM, Lab, chromium, new_page, open_notebook, run_cell, running_lab
from tests.e2e.watch import await_frames
from tests.notebooks.keep import LESSONS

OUT = LESSONS / "pictures"
PATIENCE_S = 300.0  # nobody measures here


class Shot(Struct, frozen=True):
    """What is photographed: the output of ``cell``, when all cells before ``until`` have run."""

    cell: str
    until: str
    changes: tuple[tuple[str, str], ...] = ()  # of parameters: more to see than a reader waits for


SHOTS = {
    "01-console": Shot("desk.console()", "desk.halt", (("fills = 2", "fills = 10"),)),
    "02-your-own-strategy": Shot("desk.console()", "desk.why(last", (("fills = 2", "fills = 10"),)),
    "03-risk-and-refusals": Shot("desk.panels.risk()", "desk.halt"),
    "04-tuning-live": Shot("desk.tuning_panel()", "print(trend.params"),
    "05-headless-sessions": Shot("desk.console()", "desk.fills", (("minutes = 0.2", "minutes = 2"),)),
}


def main() -> int:
    if not CHROMIUM.exists():
        sys.stderr.write(f"no browser at {CHROMIUM}: `make browser` installs Debian's chromium\n")
        return 1
    OUT.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="contractdesk-") as folder,
        running_lab(all_cells_drawn(Path(folder))) as lab,
        chromium() as browser,
    ):
        for name in sys.argv[1:] or SHOTS:
            page = new_page(browser)
            page.set_default_timeout(PATIENCE_S * 1_000)
            shoot(page, lab, name, SHOTS[name])
            page.close()
            sys.stdout.write(f"{OUT / name}.png\n")
    return 0


def all_cells_drawn(folder: Path) -> Path:
    """A long notebook is otherwise drawn as far as it is looked at."""
    settings = folder / "user" / "@jupyterlab" / "notebook-extension" / "tracker.jupyterlab-settings"
    settings.parent.mkdir(parents=True)
    settings.write_text('{"windowingMode": "none"}')
    return folder


def shoot(page: Page, lab: Lab, name: str, shot: Shot) -> None:
    """Run the lesson as far as it is shown, and take the picture."""
    book = nbformat.read(LESSONS / f"{name}.ipynb", as_version=4)
    for cell in book.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
        for old, new in shot.changes:
            cell.source = cell.source.replace(old, new)
    path = lab.folder / f"{name}.ipynb"
    nbformat.write(book, path)
    open_notebook(page, lab, path.name)
    page.keyboard.press("Control+b")
    sources = [cell.source for cell in book.cells]
    shown = next(n for n, source in enumerate(sources) if shot.cell in source)
    last = next(n for n, source in enumerate(sources) if shot.until in source)
    run_until(page, [n for n in range(last) if book.cells[n].cell_type == "code"])
    output = page.locator(".jp-Notebook .jp-Cell").nth(shown)
    output.evaluate("node => node.scrollIntoView(true)")
    output.locator(".cd").first.wait_for()
    if output.locator(".cd-ladder-canvas").count():
        await_frames(page, 15, timeout_s=PATIENCE_S)
    output.locator(".jp-OutputArea-output", has=page.locator(".cd")).last.screenshot(path=OUT / f"{name}.png")
    page.keyboard.press("Escape")
    closing = [n for n, cell in enumerate(book.cells) if cell.cell_type == "code"][-1:]
    run_until(page, closing)


def run_until(page: Page, cells: list[int]) -> None:
    """Run cells one after the other; each has ended when its number has come."""
    for index in cells:
        run_cell(page, index)
        page.wait_for_function(
            "index => /\\[\\d+\\]/.test(document.querySelectorAll('.jp-Notebook .jp-Cell')[index]"
            ".querySelector('.jp-InputPrompt').textContent)",
            arg=index,
        )


if __name__ == "__main__":
    sys.exit(main())
