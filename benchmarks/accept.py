"""`make accept`: the wall-clock figures of a live desk, in a real kernel, beside a loopback exchange.

A kernel opens an embedded desk and a strategy trades in it while cells do what cells do. Printed:
the loop's lag in each case, how long opening, halting and the first stop took, and whether the bot
survived. Exit code 1 when it did not; a figure beyond its aim is marked, not fatal (machines differ).
"""

from __future__ import annotations

import json
import queue
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jupyter_client.manager import KernelManager

CELL_WITHIN_S = 180
BUSY_S = 10

OPEN = """
import datetime, json, time
import contractdesk as cd
began_s, begin = time.time(), time.monotonic()
desk = cd.open_desk("embedded", name="accept", seed=11, fresh=True)
first = globals().get("first") or (began_s, time.monotonic() - begin)  # of the first run of this cell
"""
START = """
symbol = "BTC/USDT:USDT"
trend = desk.start(cd.library.TrendFollow(symbols=[symbol], timeframe="1s", fast=3, slow=8), name="trend")
desk.wait_for(lambda picture: picture.fills, timeout=90)
"""
BUSY = "while True: pass"
NUMPY = f"""
import numpy as np
matrix, end = np.ones((600, 600)), time.monotonic() + {BUSY_S}
while time.monotonic() < end:
    matrix @ matrix
"""
SLEEP = f"time.sleep({BUSY_S})"
ERROR = "1 / 0"
RESET = "desk.reset_metrics(); before = desk.snapshot"
REPORT = """
after = desk.snapshot
print(json.dumps({
    **desk.metrics["loop_lag"],
    "events": after.events_handled - before.events_handled,
    "state": after.state.value,
    "running": [row.status for row in after.strategies],
    "open": desk.is_open,
}))
"""
HALT = """
spans = []
for _ in range(20):
    desk.resume()
    begin = time.monotonic()
    desk.halt("measured")
    spans.append((time.monotonic() - begin) * 1e3)
desk.resume()
print(json.dumps({"halt_ms": sorted(spans)}))
"""
AUDIT = """
desk.flatten()
report = cd.audit(desk)
lines = (json.loads(line) for line in desk.log_path.open())
since = datetime.datetime.fromtimestamp(first[0], datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S")
latency = sorted(
    line["latency_ms"] for line in lines if line.get("outcome") == "accepted" and line["@timestamp"] >= since
)
desk.close()
print(json.dumps({
    "passed": report.passed, "fills": report.totals.fills, "naked_ms": report.totals.longest_naked_s * 1e3,
    "latency_ms": latency, "opened_s": first[1],
}))
"""


class Kernel:
    """A real ipykernel in a process of its own, driven over its sockets."""

    def __init__(self, folder: Path) -> None:
        self._manager = KernelManager()
        self._manager.start_kernel(cwd=str(folder))
        self._client = self._manager.blocking_client()
        self._client.start_channels()
        self._client.wait_for_ready(timeout=60)

    def run(self, code: str, *, fails: bool = False) -> dict[str, Any]:
        """Execute a cell; the JSON of its last printed line, if that is one."""
        printed: list[str] = []
        reply = self._client.execute_interactive(
            code, timeout=CELL_WITHIN_S, output_hook=lambda message: _collect(message, printed)
        )
        failed = reply["content"]["status"] != "ok"
        if failed != fails:
            raise SystemExit(f"cell {code!r} ended {reply['content']}")
        lines = "".join(printed).strip().splitlines()
        return json.loads(lines[-1]) if lines and lines[-1].startswith("{") else {}

    def run_and_interrupt(self, code: str, after_s: float) -> None:
        """Execute an endless cell and interrupt it, as the stop button does."""
        request = self._client.execute(code)
        try:
            self._client.get_shell_msg(timeout=after_s)
        except queue.Empty:  # the cell is still busy, as it should be
            self._manager.interrupt_kernel()
        while self._client.get_shell_msg(timeout=CELL_WITHIN_S)["parent_header"].get("msg_id") != request:
            pass

    def end(self) -> None:
        self._client.stop_channels()
        self._manager.shutdown_kernel()


def _collect(message: dict[str, Any], printed: list[str]) -> None:
    if message["msg_type"] == "stream" and message["content"]["name"] == "stdout":
        printed.append(message["content"]["text"])


@contextmanager
def kernel() -> Iterator[Kernel]:
    with tempfile.TemporaryDirectory(prefix="contractdesk-accept-") as folder:
        made = Kernel(Path(folder))
        try:
            yield made
        finally:
            made.end()


def import_cost_s() -> float:
    """CPU seconds that `import contractdesk` adds to a bare interpreter, the least of five."""
    return max(0.0, min(_cpu_of("import contractdesk") - _cpu_of("pass") for _ in range(5)))


def _cpu_of(code: str) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", code], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


class Sheet:
    """What was measured, printed as it comes."""

    def __init__(self) -> None:
        self.sound = True

    def figure(self, what: str, value: float, unit: str, aim: float | None = None) -> None:
        verdict = "" if aim is None else f"  aim {aim:g} {unit}: {'met' if value <= aim else 'MISSED'}"
        print(f"{what:<52} {value:>9.3f} {unit}{verdict}", flush=True)

    def fact(self, what: str, *, holds: bool) -> None:
        self.sound &= holds
        print(f"{what:<52} {'yes' if holds else 'NO':>9}", flush=True)


def lag_case(sheet: Sheet, desk: Kernel, name: str, aim_ms: float | None, cell: str | None) -> None:
    """One kind of cell: the loop's lag while it ran, and whether the bot went on."""
    desk.run(RESET)
    if cell == BUSY:
        desk.run_and_interrupt(BUSY, BUSY_S)
    else:
        desk.run(cell or SLEEP, fails=cell == ERROR)
    found = desk.run(REPORT)
    sheet.figure(f"loop lag p50, {name}", found["p50_ms"], "ms")
    sheet.figure(f"loop lag p99, {name}", found["p99_ms"], "ms", aim_ms)
    sheet.figure(f"loop lag max, {name}", found["max_ms"], "ms")
    lives = found["open"] and found["events"] > 0 and found["running"] == ["running"]
    sheet.fact(f"bot trades on, {name}", holds=lives and found["state"] == "ACTIVE")


def main() -> int:
    sheet = Sheet()
    sheet.figure("CPU of import contractdesk", import_cost_s(), "s", 0.3)
    with kernel() as desk:
        desk.run(OPEN)
        desk.run(START)
        lag_case(sheet, desk, "idle (time.sleep)", None, None)
        lag_case(sheet, desk, "while True: pass, then an interrupt", 20, BUSY)
        lag_case(sheet, desk, "numpy matmul", None, NUMPY)
        desk.run(RESET)
        desk.run(ERROR, fails=True)
        desk.run(OPEN)
        desk.run(START)
        found = desk.run(REPORT)
        same = found["open"] and found["running"] == ["running"] and found["state"] == "ACTIVE"
        sheet.fact("bot trades on after an exception and a re-run of all", holds=same)
        halts = desk.run(HALT)["halt_ms"]
        sheet.figure("halt(), confirmed, median of 20", halts[10], "ms", 100)
        sheet.figure("halt(), confirmed, worst of 20", halts[-1], "ms")
        end = desk.run(AUDIT)
    sheet.figure("opening a desk (its exchange included)", end["opened_s"], "s")
    latency = end["latency_ms"]
    sheet.figure(f"signal to acknowledgement, median of {len(latency)}", latency[len(latency) // 2], "ms")
    sheet.figure("signal to acknowledgement, worst", latency[-1], "ms")
    sheet.figure("longest time of a filled contract without a stop", end["naked_ms"], "ms", 3000)
    sheet.fact(f"books equal the exchange's after {end['fills']} fills", holds=end["passed"])
    return 0 if sheet.sound else 1


if __name__ == "__main__":
    sys.exit(main())
