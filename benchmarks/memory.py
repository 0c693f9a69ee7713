"""What the console costs a browser over time, with nobody watching the browser itself.

A debugger that stays attached, as Playwright's, has the page's process keep memory that is not the
console's: one to three MB a minute. So it opens the notebook, runs the cells and leaves; from then on only
the operating system is asked. Prints the unshared memory of each kind of process once a minute; exit code 1
where the page's grew by more than ``FLAT_MB`` from the lowest of the first third to the lowest of the last.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from kernels import Sheet
from playwright.sync_api import sync_playwright

REPOSITORY = Path(__file__).parents[1]
sys.path.insert(0, str(REPOSITORY))

from console_soak import CAPTURE, Screen  # noqa: E402

from tests.e2e.lab import CHROMIUM, FLAGS, PATIENCE_S, Lab, free_port, running_lab  # noqa: E402

MINUTES = 20.0
SETTLED_S = 120.0  # charts and caches have filled
FLAT_MB = 10.0
MB = 1e6


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=MINUTES, help=f"default {MINUTES:g}")
    minutes = parser.parse_args().minutes
    recording = Path(os.environ.get("CONTRACTDESK_DATA", REPOSITORY.parent / "shared" / "data")) / CAPTURE
    if missing := [str(each) for each in (CHROMIUM, recording) if not each.exists()]:
        sys.stderr.write(f"missing: {', '.join(missing)}\n")
        return 2
    sheet, pages = Sheet(), list[float]()
    with (
        tempfile.TemporaryDirectory(prefix="contractdesk-", ignore_cleanup_errors=True) as folder,
        running_lab(Path(folder)) as lab,
        browser(Path(folder) / "profile") as (process, address),
    ):
        show(address, lab, recording)
        time.sleep(SETTLED_S)
        for minute in range(round(minutes) + 1):
            found = unshared_mb(process)
            pages.append(found["renderer"])
            print(
                f"minute {minute:3}: " + ", ".join(f"{k} {v:.1f} MB" for k, v in sorted(found.items())),
                flush=True,
            )
            time.sleep(60 if minute < round(minutes) else 0)
    third = max(1, len(pages) // 3)
    growth = min(pages[-third:]) - min(pages[:third])
    sheet.figure("growth of the page's memory, nobody watching", growth, "MB", FLAT_MB)
    sheet.fact("the browser's memory is flat", holds=growth < FLAT_MB)
    return 0 if sheet.sound else 1


@contextmanager
def browser(profile: Path) -> Iterator[tuple[psutil.Process, str]]:
    """A chromium of its own, and where a debugger may attach."""
    port = free_port()
    words = [
        str(CHROMIUM), "--headless=new", f"--remote-debugging-port={port}", f"--user-data-dir={profile}",
        "--window-size=1440,900", *FLAGS, "about:blank",
    ]  # fmt: skip
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address, end = f"http://127.0.0.1:{port}", time.monotonic() + PATIENCE_S
    try:
        while not answers(address):
            assert time.monotonic() < end, "the browser does not come up"
            time.sleep(0.2)
        yield psutil.Process(process.pid), address
    finally:
        process.terminate()
        process.wait(10)


def answers(address: str) -> bool:
    try:
        urllib.request.urlopen(f"{address}/json/version", timeout=1).close()  # noqa: S310  (loopback)
    except (urllib.error.URLError, OSError):
        return False
    return True


def show(address: str, lab: Lab, recording: Path) -> None:
    """Open the notebook and the console in it, and leave the browser to itself."""
    with sync_playwright() as playwright:
        attached = playwright.chromium.connect_over_cdp(address)
        page = attached.contexts[0].new_page()
        page.set_viewport_size({"width": 1440, "height": 900})
        page.set_default_timeout(PATIENCE_S * 1_000)
        Screen(page, lab, recording).show()
        attached.close()


def unshared_mb(process: psutil.Process) -> Counter[str]:
    """Of each kind of process of the browser."""
    found: Counter[str] = Counter()
    for each in (process, *process.children(recursive=True)):
        kinds = [word.removeprefix("--type=") for word in each.cmdline() if word.startswith("--type=")]
        found[kinds[0] if kinds else "browser"] += each.memory_full_info().uss / MB  # type: ignore[assignment]
    return found


if __name__ == "__main__":
    sys.exit(main())
