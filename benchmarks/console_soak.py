"""The console before the recorded market of 2024, for minutes: what it costs, and how true it is."""

from __future__ import annotations

import math
import queue
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import psutil
from console_tops import SAMPLE_MS, Exchanged, sample, sampled
from jupyter_client.blocking.client import BlockingKernelClient
from msgspec import Struct, field
from playwright.sync_api import Page

from tests.e2e.lab import Lab, open_notebook, run_cell
from tests.e2e.watch import Wire, await_frames, run_until_said
from tests.e2e.witness import Witness

NAME = "speed"
CAPTURE = "ws/binance_raw/binance_usdm_btcusdt_20240808.gz"
TICK, LOT = Decimal("0.1"), Decimal("0.001")
WINDOW_S = 20.0
WITHIN_MS = 250
MB = 1 << 20
OPEN = """
import os
import contractdesk as cd
class Watcher(cd.Strategy):
    pass
desk = cd.open_desk(
    "embedded", name="{name}", recording="{recording}", start=40, repeat=True, fresh=True, idle_limit_s=20
)
desk.start(Watcher(symbols=["BTC/USDT:USDT"], timeframe="1m"))
desk.wait_for(lambda s: s.symbols and all(symbol.book_valid for symbol in s.symbols.values()))
print("kernel", os.getpid())
"""
CELLS = (OPEN, "desk.console()", "desk.close()")


class Reading(Struct, frozen=True):
    """CPU seconds used so far, and memory in MB, at a monotonic second."""

    at_s: float
    kernel_cpu_s: float
    server_cpu_s: float
    browser_cpu_s: float
    kernel_mb: float
    server_mb: float
    browser_mb: float
    heap_mb: float  # the page's scripts, after a garbage collection


class Window(Struct, frozen=True):
    """One span of watching."""

    ages_ms: list[float]  # of each sample's prices; see ``Exchanged.ages_ms``
    sized_ages_ms: list[float]  # of its prices and sizes

    @property
    def true_share(self) -> float:
        """Of the samples: those whose prices the exchange had within the last ``WITHIN_MS``.

        0 where a stalled browser took less than half of its samples: that says nothing of the console.
        """
        if len(self.ages_ms) < window_samples() / 2:
            return 0.0
        return sum(age <= WITHIN_MS for age in self.ages_ms) / len(self.ages_ms)


def window_samples() -> float:
    """How many there are in an undisturbed window."""
    return WINDOW_S * 1e3 / SAMPLE_MS


class Soak(Struct):
    """What was measured."""

    without: float  # kernel CPU, share of a core, no console shown
    windows: list[Window] = field(default_factory=list)
    readings: list[Reading] = field(default_factory=list)  # before the first window, and after each
    fullest_second: int = 0
    messages_a_second: float = 0.0

    def shares(self, name: str) -> list[float]:
        """CPU of "kernel", "server" or "browser" in each window, as share of a core."""
        return shares(self.readings, f"{name}_cpu_s")

    def growth_mb(self, name: str) -> float:
        """From the lowest of the first third of readings to the lowest of the last third."""
        values = [getattr(reading, f"{name}_mb") for reading in self.readings]
        third = max(1, len(values) // 3)
        return float(min(values[-third:]) - min(values[:third]))

    def lines(self) -> Iterator[str]:
        """The figures, for people."""
        ages = [age for window in self.windows for age in window.ages_ms]
        sized = [age for window in self.windows for age in window.sized_ages_ms]
        for what, values in (("prices", ages), ("prices and sizes", sized)):
            parts = " / ".join(f"{quantile(values, share):.0f}" for share in (0.5, 0.9, 0.99))
            yield f"age of the top shown, {what}: p50 / p90 / p99 {parts} ms of {len(values)} samples"
        yield "within 250 ms: " + ", ".join(f"{100 * window.true_share:.1f} %" for window in self.windows)
        yield f"messages: {self.messages_a_second:.1f} a second, {self.fullest_second} in the fullest one"
        for name in ("kernel", "server", "browser"):
            yield f"CPU of the {name}: " + ", ".join(f"{100 * share:.1f} %" for share in self.shares(name))
        yield f"CPU of the kernel without the console: {100 * self.without:.1f} %"
        for name in ("kernel", "server", "browser", "heap"):
            first, last = (getattr(self.readings[i], f"{name}_mb") for i in (0, -1))
            yield f"memory, {name}: {first:.1f} -> {last:.1f} MB, growth {self.growth_mb(name):+.1f} MB"


class Screen:
    """A notebook over the recorded market, its console not shown yet."""

    def __init__(self, page: Page, lab: Lab, recording: Path) -> None:
        self.page = page
        self.wire = Wire(page)
        cells = (text.replace("{name}", NAME).replace("{recording}", str(recording)) for text in CELLS)
        open_notebook(page, lab, lab.write("speed.ipynb", *map(str.strip, cells)))
        page.keyboard.press("Control+b")
        said = run_until_said(page, 0, "kernel")
        self.kernel = psutil.Process(int(said.split()[-1]))
        parent = self.kernel.parent()
        assert parent is not None
        self.server = parent
        self.witness = Witness(lab, NAME)
        self._cdp = page.context.new_cdp_session(page)
        self._cdp.send("Performance.enable")

    def show(self) -> None:
        run_cell(self.page, 1)
        self.page.locator(".cd-ladder-canvas").first.wait_for()
        await_frames(self.page, 30)

    def reading(self) -> Reading:
        """CPU and memory of now."""
        self._cdp.send("HeapProfiler.collectGarbage")
        metrics = {row["name"]: row["value"] for row in self._cdp.send("Performance.getMetrics")["metrics"]}
        browser = browsers()
        return Reading(
            at_s=time.monotonic(),
            kernel_cpu_s=cpu_s(self.kernel),
            server_cpu_s=cpu_s(self.server),
            browser_cpu_s=sum(map(cpu_s, browser)),
            kernel_mb=rss_mb(self.kernel),
            server_mb=rss_mb(self.server),
            browser_mb=sum(map(rss_mb, browser)),
            heap_mb=metrics["JSHeapUsedSize"] / MB,
        )

    def leave(self) -> Away:
        """Close the tab; the kernel runs on."""
        self.page.close()
        return Away(self.kernel, self.server)


class Away:
    """The kernel of a tab that was closed, listened to at its own socket."""

    def __init__(self, kernel: psutil.Process, server: psutil.Process) -> None:
        self.server = server
        words = kernel.cmdline()
        self._client = BlockingKernelClient(connection_file=words[words.index("-f") + 1])
        self._client.load_connection_file()
        self._client.start_channels(stdin=False, hb=False, control=False)

    def widget_messages(self, seconds: float) -> int:
        """How many are published meanwhile."""
        end, count = time.monotonic() + seconds, 0
        while (left_s := end - time.monotonic()) > 0:
            try:
                count += self._client.get_iopub_msg(timeout=left_s)["msg_type"] == "comm_msg"
            except queue.Empty:
                break
        return count

    def close(self) -> None:
        """Close the desk."""
        self._client.execute_interactive(CELLS[-1], timeout=60, output_hook=lambda _: None)
        self._client.stop_channels()


@contextmanager
def exchanged(witness: Witness) -> Iterator[Exchanged]:
    tops = Exchanged(witness.address, "BTCUSDT", TICK, LOT)
    try:
        yield tops
    finally:
        tops.close()


def soak(screen: Screen, more: Callable[[Soak], bool]) -> Soak:
    """Measure a window without the console, then with it, window by window, while ``more`` says so."""
    before = [screen.reading(), _after(screen, WINDOW_S)]
    found = Soak(without=shares(before, "kernel_cpu_s")[0])
    screen.show()
    _after(screen, WINDOW_S / 4)  # charts and caches fill
    since = time.monotonic()
    found.readings.append(screen.reading())
    with exchanged(screen.witness) as tops:
        while more(found):
            await_frames(screen.page, 5)  # the garbage collection before it is not the console's affair
            sample(screen.page)
            screen.page.wait_for_timeout(WINDOW_S * 1e3)
            seen = sampled(screen.page)
            found.readings.append(screen.reading())
            found.windows.append(Window(tops.ages_ms(seen), tops.ages_ms(seen, sizes=True)))
    found.fullest_second = screen.wire.most_in_a_second(since)
    found.messages_a_second = screen.wire.count(since) / (time.monotonic() - since)
    return found


def _after(screen: Screen, seconds: float) -> Reading:
    """A reading after a span; the page is what is waited in, so that its messages are counted."""
    screen.page.wait_for_timeout(seconds * 1e3)
    return screen.reading()


def shares(readings: Sequence[Reading], name: str) -> list[float]:
    """CPU of one process between readings, as share of a core."""
    return [
        (getattr(after, name) - getattr(before, name)) / (after.at_s - before.at_s)
        for before, after in pairwise(readings)
    ]


def quantile(values: Sequence[float], share: float) -> float:
    """The value that ``share`` of all do not exceed."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def browsers() -> list[psutil.Process]:
    """Processes of the browser that this process has started."""
    return [each for each in psutil.Process().children(recursive=True) if "chrom" in each.name()]


def cpu_s(process: psutil.Process) -> float:
    used = process.cpu_times()
    return float(used.user + used.system)


def rss_mb(process: psutil.Process) -> float:
    return float(process.memory_info().rss) / MB
