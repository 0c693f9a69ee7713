"""`make accept`: the wall-clock figures of a live desk, in a real kernel, beside a loopback exchange.

A kernel opens an embedded desk and a strategy trades in it while cells do what cells do. Printed:
the loop's lag in each case, how long opening, halting and the first stop took, and whether the bot
survived; then what ``trips`` measures. Exit code 1 when it did not survive, or no trip led to a cancel; a
figure beyond its aim is marked, not fatal (machines differ).
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys

import trips
from kernels import BUSY, Kernel, Sheet, kernel

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


def import_cost_s() -> float:
    """CPU seconds that `import contractdesk` adds to a bare interpreter, the least of five."""
    return max(0.0, min(_cpu_of("import contractdesk") - _cpu_of("pass") for _ in range(5)))


def _cpu_of(code: str) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", code], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


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
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--trips", type=int, default=trips.TRIPS, choices=range(1, trips.MOST), metavar="N", help=trips.HELP
    )
    wanted = parser.parse_args().trips
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
    trips.measure(sheet, wanted)
    return 0 if sheet.sound else 1


if __name__ == "__main__":
    sys.exit(main())
