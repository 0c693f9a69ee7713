"""Make the pictures of the screen: ``python -m tests.e2e.screenshot [FOLDER] [--readme docs/console.png]``.

A real JupyterLab, a real desk on the embedded exchange, a real strategy; the pictures are taken when it has
traded, holds a position, and the stop for it is confirmed: of the console, wide and narrow, and of each panel
alone, light and dark.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from playwright.sync_api import Locator, Page

from contractdesk.panels import Panels
from tests.e2e.lab import CHROMIUM, Lab, chromium, new_page, open_notebook, run_cell, set_theme
from tests.e2e.lab import running_lab as running
from tests.e2e.watch import await_frames, overflowing

OPEN = """
import contractdesk as cd

desk = cd.open_desk("embedded", name="console", seed={seed}, fresh=True, idle_limit_s=20)
"""
START = """
trend = desk.start(cd.library.TrendFollow(symbols=["BTC/USDT:USDT"], timeframe="1s", fast=5, slow=15))
"""
SHOWN = 2  # the console's cell
THEMES = ("light", "dark")
WIDE, NARROW = (1440, 900), (620, 2200)
# Bounded by the strategy's pace: it holds a position about half of the time.
TRADED = """
(fills) => {
  const safe = document.querySelector('.cd-item[data-key="protection"] .cd-item-value')?.textContent;
  const tab = [...document.querySelectorAll('.cd-tab')].find((node) => node.textContent.startsWith('Fills'));
  return safe === 'protected 100 %' && Number(tab?.textContent.split(' ')[1] ?? 0) >= fills;
}
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=Path("docs/screens"))
    parser.add_argument("--readme", type=Path, help="the light console goes here, too")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--fills", type=int, default=10, help="wait until so many fills are there")
    parser.add_argument("--patience", type=float, default=300.0, help="seconds to wait for them")
    parser.add_argument("--console-only", action="store_true", help="no picture of each panel alone")
    chosen = parser.parse_args()
    if not CHROMIUM.exists():
        sys.stderr.write(f"no browser at {CHROMIUM}: `make browser` installs Debian's chromium\n")
        return 1
    chosen.folder.mkdir(parents=True, exist_ok=True)
    panels = () if chosen.console_only else tuple(name for name in Panels.names() if name != "console")
    with (
        tempfile.TemporaryDirectory(prefix="contractdesk-") as folder,
        running(Path(folder)) as lab,
        chromium() as browser,
    ):
        page = new_page(browser, *WIDE)
        show(page, lab, chosen.seed, panels)
        page.wait_for_function(TRADED, arg=chosen.fills, timeout=chosen.patience * 1_000)
        for theme in THEMES:
            set_theme(page, f"JupyterLab {theme.title()}")
            picture_console(page, chosen.folder, theme, chosen.patience)
            for place, name in enumerate(panels):
                picture_panel(page, SHOWN + 1 + place, chosen.folder / f"{name}-{theme}.png")
        close(page, SHOWN + 1 + len(panels))
    if chosen.readme is not None:
        shutil.copy(chosen.folder / "console-light.png", chosen.readme)
    return 0


def show(page: Page, lab: Lab, seed: int, panels: Sequence[str]) -> None:
    """Run the notebook until the ladder moves: the console, then each panel in a cell of its own."""
    cells = [OPEN.replace("{seed}", str(seed)).strip(), START.strip(), "desk.console()"]
    cells += [f"desk.{name}_panel()" for name in panels]
    open_notebook(page, lab, lab.write("console.ipynb", *cells, "desk.close()"))
    page.keyboard.press("Control+b")
    for index in range(len(cells)):
        run_cell(page, index)
    page.locator(".cd-ladder-canvas").first.wait_for()
    await_frames(page, 5)  # the first book, on a machine that may be busy


def picture_console(page: Page, folder: Path, theme: str, patience: float) -> None:
    """The whole screen while a position is held, and once more in a narrow column."""
    page.wait_for_function(TRADED, arg=1, timeout=patience * 1_000)
    into_view(page, SHOWN)
    await_frames(page, 15)  # the charts, too, have drawn what the status bar says
    keep(page, folder / f"console-{theme}.png")
    page.set_viewport_size({"width": NARROW[0], "height": NARROW[1]})
    into_view(page, SHOWN)
    await_frames(page, 15)
    keep(page, folder / f"narrow-{theme}.png")
    page.set_viewport_size({"width": WIDE[0], "height": WIDE[1]})
    await_frames(page, 5)


def picture_panel(page: Page, index: int, path: Path) -> None:
    into_view(page, index)
    await_frames(page, 12)
    output = cell(page, index).locator(".jp-OutputArea-output").last
    output.screenshot(path=path)
    sys.stdout.write(f"{path}\n")


def keep(page: Page, path: Path) -> None:
    """A picture of what is in view; what overflows is said beside its name."""
    page.screenshot(path=path)
    told = "".join(f"\n  overflows: {line}" for line in overflowing(page))
    sys.stdout.write(f"{path}{told}\n")


def into_view(page: Page, index: int) -> None:
    cell(page, index).evaluate("node => node.scrollIntoView(true)")


def cell(page: Page, index: int) -> Locator:
    return page.locator(".jp-Notebook .jp-Cell").nth(index)


def close(page: Page, index: int) -> None:
    """Close the desk, so that nothing of it outlives the picture."""
    run_cell(page, index)
    cell(page, index).locator(".jp-OutputArea-output pre").first.wait_for()


if __name__ == "__main__":
    sys.exit(main())
