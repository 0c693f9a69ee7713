"""Make the README's picture: ``python -m tests.e2e.screenshot OUT.png [--theme dark]``.

A real JupyterLab, a real desk on the embedded exchange, a real strategy; the picture is taken when it
has traded, holds a position, and the stop for it is confirmed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page

from tests.e2e.lab import CHROMIUM, Lab, chromium, open_notebook, run_cell, set_theme
from tests.e2e.lab import running_lab as running
from tests.e2e.watch import await_frames

OPEN = """
import contractdesk as cd

desk = cd.open_desk("embedded", name="console", seed={seed}, fresh=True, idle_limit_s=5)
"""
START = """
trend = desk.start(cd.library.TrendFollow(symbols=["BTC/USDT:USDT"], timeframe="1s", fast=5, slow=15))
"""
CELLS = (OPEN, START, "desk.console()", "desk.close()")
SHOWN = 2  # the console's cell
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
    parser.add_argument("out", type=Path)
    parser.add_argument("--theme", choices=("light", "dark"), default="light")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--fills", type=int, default=10, help="wait until so many fills are there")
    parser.add_argument("--patience", type=float, default=300.0, help="seconds to wait for them")
    chosen = parser.parse_args()
    if not CHROMIUM.exists():
        sys.stderr.write(f"no browser at {CHROMIUM}: `make browser` installs Debian's chromium\n")
        return 1
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="contractdesk-") as folder,
        running(Path(folder)) as lab,
        chromium() as browser,
    ):
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        show(page, lab, chosen.seed)
        if chosen.theme == "dark":
            set_theme(page, "JupyterLab Dark")
        page.wait_for_function(TRADED, arg=chosen.fills, timeout=chosen.patience * 1_000)
        await_frames(page, 15)  # the charts, too, have drawn what the status bar says
        page.screenshot(path=chosen.out)
        close(page)
    sys.stdout.write(f"{chosen.out}\n")
    return 0


def show(page: Page, lab: Lab, seed: int) -> None:
    """Run the notebook until the ladder moves; side bars away, the console in view."""
    cells = [cell.replace("{seed}", str(seed)).strip() for cell in CELLS]
    open_notebook(page, lab, lab.write("console.ipynb", *cells))
    page.keyboard.press("Control+b")
    for index in range(SHOWN + 1):
        run_cell(page, index)
    page.locator(".cd-ladder-canvas").first.wait_for(timeout=90_000)
    await_frames(page, 5, timeout_s=60.0)  # the first book, on a machine that may be busy
    page.locator(".jp-Notebook .jp-Cell").nth(SHOWN).evaluate("node => node.scrollIntoView(true)")


def close(page: Page) -> None:
    """Close the desk, so that nothing of it outlives the picture."""
    last = len(CELLS) - 1
    run_cell(page, last)
    said = page.locator(".jp-Notebook .jp-Cell").nth(last).locator(".jp-OutputArea-output pre")
    said.first.wait_for(timeout=30_000)


if __name__ == "__main__":
    sys.exit(main())
