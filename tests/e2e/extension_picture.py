"""Make the extension's picture: ``python -m tests.e2e.extension_picture OUT.png [--theme dark]``.

Two notebooks, two kernels, two desks on embedded exchanges: one trades, the other was halted with its
position under a stop.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page

from tests.e2e.desks import card, end_kernels
from tests.e2e.lab import CHROMIUM, Lab, chromium, new_page, open_notebook, running_lab, set_theme
from tests.e2e.test_desk import run_for

OPEN = """
import contractdesk as cd

desk = cd.open_desk("embedded", name="{name}", seed={seed}, fresh=True, idle_limit_s=20)
desk.start(cd.library.TrendFollow(symbols=["{symbol}"], timeframe="1s", fast=5, slow=15))
desk.buy("{symbol}", notional=150, stop=cd.atr_stop(14, 2.5))
desk.wait_for(lambda s: s.positions and s.protected_fraction == 1){more}
print("trading")
"""
WIDE = {"width": 1280, "height": 800}


def two_desks(page: Page, lab: Lab) -> None:
    """Open both notebooks, run both, and show the sidebar."""
    page.set_viewport_size(WIDE)
    page.on("dialog", lambda dialog: dialog.accept())  # the first notebook is left unsaved
    halted = '\ndesk.halt("going to lunch")'
    notebooks = (("trend", 7, "BTC/USDT:USDT", halted), ("carry", 11, "ETH/USDT:USDT", ""))
    for name, seed, symbol, more in notebooks:
        text = OPEN.format(name=name, seed=seed, symbol=symbol, more=more).strip()
        open_notebook(page, lab, lab.write(f"{name}.ipynb", text))
        run_for(page, 0, "trading")
    page.locator(".cdl-status-line", has_text="2 desks").wait_for()
    if not page.locator(".cdl-sidebar").is_visible():
        page.locator(".cdl-status-line").click()
    card(page, "carry").wait_for()
    card(page, "trend").locator('.cdl-state[data-state="HALTED"]').wait_for()


def _themed(page: Page, theme: str) -> None:
    set_theme(page, theme)
    page.locator("#jupyterlab-splash").wait_for(state="detached")  # it hides a change of themes


def _narrow(page: Page) -> None:
    """The sidebar as slim as JupyterLab lets it be."""
    _themed(page, "JupyterLab Light")
    page.set_viewport_size({"width": 560, "height": 900})


LOOKS: dict[str, Callable[[Page], object]] = {
    "light": lambda page: _themed(page, "JupyterLab Light"),
    "dark": lambda page: _themed(page, "JupyterLab Dark"),
    "narrow": _narrow,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--look", choices=tuple(LOOKS), nargs="+", default=["light"])
    chosen = parser.parse_args()
    if not CHROMIUM.exists():
        sys.stderr.write(f"no browser at {CHROMIUM}: `make browser` installs Debian's chromium\n")
        return 1
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="contractdesk-") as folder,
        running_lab(Path(folder)) as lab,
        chromium() as browser,
    ):
        page = new_page(browser, 1280, 720)
        try:
            two_desks(page, lab)
            for name in chosen.look:
                LOOKS[name](page)
                several = f"{chosen.out.stem}-{name}"
                path = chosen.out if len(chosen.look) == 1 else chosen.out.with_stem(several)
                page.screenshot(path=path)
                sys.stdout.write(f"{path}\n")
        finally:
            end_kernels(lab)
    return 0


if __name__ == "__main__":
    sys.exit(main())
