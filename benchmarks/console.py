"""The console in a browser: how fast it halts beside a busy cell, how true it is, what it costs over time.

JupyterLab, chromium, a real kernel, the embedded exchange. First ``--halts`` halts by each route while a cell
runs ``while True: pass``; then the capture of BTCUSDT of 2024-08-08 at its own speed, over and over, for
``--minutes``; then the tab is closed, and the kernel and the server are watched on. Exit code 1 where a claim
does not hold. Needs Debian's chromium (``make browser``) and the recordings (``CONTRACTDESK_DATA``).
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from kernels import BUSY, Sheet
from playwright.sync_api import Browser, Page

REPOSITORY = Path(__file__).parents[1]
sys.path.insert(0, str(REPOSITORY))

from console_soak import (  # noqa: E402
    CAPTURE,
    WINDOW_S,
    WITHIN_MS,
    Away,
    Screen,
    Soak,
    quantile,
    rss_mb,
    soak,
)

from tests.e2e.halts import Halt, Prompt, by_the_panel  # noqa: E402
from tests.e2e.lab import CHROMIUM, Lab, chromium, new_page, open_notebook, run_cell, running_lab  # noqa: E402
from tests.e2e.watch import await_status  # noqa: E402

HALTS, MINUTES = 20, 20.0
AWAY_S = 60.0
NOTICED_S = 10.0  # until a closed tab is taken for one
OPEN = """
import contractdesk as cd
desk = cd.open_desk("embedded", name="halts", seed=7, fresh=True, idle_limit_s=20)
desk.console()
"""
Route = Callable[[Page], Halt]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--halts", type=int, default=HALTS, help=f"by each route (default {HALTS})")
    parser.add_argument("--minutes", type=float, default=MINUTES, help=f"of the market (default {MINUTES:g})")
    wanted = parser.parse_args()
    recording = Path(os.environ.get("CONTRACTDESK_DATA", REPOSITORY.parent / "shared" / "data")) / CAPTURE
    if missing := [str(each) for each in (CHROMIUM, recording) if not each.exists()]:
        sys.stderr.write(f"missing: {', '.join(missing)}\n")
        return 2
    sheet = Sheet()
    with (
        tempfile.TemporaryDirectory(prefix="contractdesk-") as folder,
        running_lab(Path(folder)) as lab,
        chromium() as browser,
    ):
        if wanted.halts:
            halts(sheet, browser, lab, wanted.halts)
        market(sheet, browser, lab, recording, max(1, round(wanted.minutes * 60 / WINDOW_S)))
    return 0 if sheet.sound else 1


# -- halting ----------------------------------------------------------------------------------


def halts(sheet: Sheet, browser: Browser, lab: Lab, count: int) -> None:
    page = new_page(browser)
    open_notebook(page, lab, lab.write("halts.ipynb", OPEN.strip(), BUSY, "desk.close()"))
    run_cell(page, 0)
    page.locator(".cd-ladder-canvas").first.wait_for(timeout=90_000)
    await_status(page, "Idle", 60)
    run_cell(page, 1)
    await_status(page, "Busy", 60)
    panel = [_round(page, by_the_panel) for _ in range(count)]
    terminal = [_round(page, Prompt(lab).enter) for _ in range(count)]
    _told(sheet, "the panel's Halt, from the click", [halt.took_s for halt in panel])
    _told(sheet, "contractdesk halt, from its asking", [halt.took_s for halt in terminal])
    _told(
        sheet, "contractdesk halt, with its interpreter's start", [halt.in_all_s for halt in terminal], None
    )
    page.keyboard.press("Escape")
    page.keyboard.press("i")
    page.keyboard.press("i")
    await_status(page, "Idle", 60)
    run_cell(page, 2)
    await_status(page, "Idle", 60)
    page.close()


def _round(page: Page, route: Route) -> Halt:
    """Halt beside the busy cell, and resume."""
    halted = route(page)
    page.locator(".cd-button-resume").click()
    page.locator('.cd-state[data-state="ACTIVE"]').wait_for(timeout=20_000)
    return halted


def _told(sheet: Sheet, what: str, seconds: list[float], aim_ms: float | None = 1_000) -> None:
    sheet.figure(f"{what}, median of {len(seconds)}", 1e3 * quantile(seconds, 0.5), "ms")
    sheet.figure(f"{what}, worst", 1e3 * max(seconds), "ms", aim_ms)


# -- the market -------------------------------------------------------------------------------


def market(sheet: Sheet, browser: Browser, lab: Lab, recording: Path, windows: int) -> None:
    screen = Screen(new_page(browser), lab, recording)
    found = soak(screen, lambda found: _go_on(found, windows))
    for line in found.lines():
        print(line, flush=True)
    ages = [age for window in found.windows for age in window.ages_ms]
    costs = sorted(share - found.without for share in found.shares("kernel"))
    sheet.figure("age of the prices at the top, p99", quantile(ages, 0.99), "ms", WITHIN_MS)
    sheet.fact("every price shown was the exchange's once", holds=max(ages) < float("inf"))
    sheet.fact("at most 50 messages in any second", holds=found.fullest_second <= 50)
    sheet.figure("kernel CPU of the console, median window", 100 * quantile(costs, 0.5), "%", 10)
    sheet.fact("kernel CPU of the console below 10 % of a core", holds=quantile(costs, 0.5) < 0.10)
    for name, bound_mb in (("heap", 10.0), ("server", 10.0)):
        sheet.figure(f"growth of the {name}", found.growth_mb(name), "MB", bound_mb)
        sheet.fact(f"the {name} is flat", holds=found.growth_mb(name) < bound_mb)
    sheet.figure("growth of the browser's resident memory", found.growth_mb("browser"), "MB", 50)
    away(sheet, screen.leave())


def _go_on(found: Soak, windows: int) -> bool:
    """Until all are measured; says each minute what it has come to."""
    if found.windows and len(found.windows) % round(60 / WINDOW_S) == 0:
        _progress(found)
    return len(found.windows) < windows


def _progress(found: Soak) -> None:
    last = found.readings[-1]
    parts = [
        f"{name} {getattr(last, f'{name}_mb'):.1f} MB" for name in ("kernel", "server", "browser", "heap")
    ]
    cpu = [f"{name} {100 * found.shares(name)[-1]:.1f} %" for name in ("kernel", "server", "browser")]
    minute = len(found.windows) * WINDOW_S / 60
    true = 100 * found.windows[-1].true_share
    print(f"minute {minute:3.0f}: {', '.join(parts)}; CPU {', '.join(cpu)}; true {true:.1f} %", flush=True)


def away(sheet: Sheet, kernel: Away) -> None:
    """What a kernel says to a tab that was closed, and what the server keeps of it."""
    try:
        kernel.widget_messages(NOTICED_S)
        before = rss_mb(kernel.server)
        count = kernel.widget_messages(AWAY_S)
        sheet.figure("messages a second, tab closed", count / AWAY_S, "/s", 0.4)
        sheet.figure("growth of the server in a minute, tab closed", rss_mb(kernel.server) - before, "MB", 3)
        sheet.fact("a closed tab gets probes alone", holds=count / AWAY_S <= 0.4)
    finally:
        kernel.close()


if __name__ == "__main__":
    sys.exit(main())
