"""``contractdesk demo``: the console notebook, headless, on the recorded market where there is one."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from contractdesk.clock import SystemClock
from contractdesk.console.audit import STOP_WITHIN_S, Audit
from contractdesk.console.headless import execute
from contractdesk.console.result import Ending, Result, gravest
from contractdesk.console.tables import shown
from contractdesk.desk import embedded
from contractdesk.desk.paths import DeskPaths

# BTCUSDT perpetual across the funding settlement of 2023-04-05 00:00 UTC; both captures are contiguous.
CAPTURE = "ws/binance_raw/binance_usdm_btcusdt_2023040[45].gz"
OPENING_S = 30.0  # into the first capture: a minute before the settlement, with bars enough to warm up
RECORDED_MINUTES = 8.0  # from there to the end of the second capture
STARTING_MINUTES = 1.0
NAME = "demo"  # of its desk


class Demonstration(Struct, frozen=True, kw_only=True):
    """What a demo run came to."""

    ending: Ending
    lines: tuple[str, ...]


def demonstrate(
    notebook: Path, output: Path, recordings: Path | None, speed: float, seed: int
) -> Demonstration:
    """Run the console notebook with the bot trading, bounded in time, and sum it up.

    On the recorded market it fails, and says what is missing, unless all that it is there to show
    has happened.
    """
    recorded = recordings is not None and any(recordings.glob(CAPTURE))
    minutes = RECORDED_MINUTES / speed if recorded else 2.0
    with tempfile.TemporaryDirectory(prefix="contractdesk-") as folder:
        report = Path(folder) / "audit.json"
        outcome = execute(
            notebook,
            output,
            {
                "name": NAME,
                "recording": str((recordings / CAPTURE).resolve()) if recorded and recordings else "",
                "speed": speed,
                "opening_s": OPENING_S,
                "seed": seed,
                "fills": 6,
                "patience": True,
                "through_funding": recorded,
                "longest_minutes": minutes + STARTING_MINUTES,
                "result_path": str(report),
            },
        )
        audit = msgspec.json.decode(report.read_bytes(), type=Audit) if report.exists() else None
    _end_exchange()
    missing = [outcome.failure] if outcome.failure else []
    if audit is None:
        missing.append("the notebook ended before the books were compared")
    else:
        missing += broken(audit, recorded=recorded)
    lines = [*(_told(audit, outcome.results) if audit else ()), f"notebook     {output}"]
    lines += [f"FAILED       {sentence}" for sentence in missing]
    ending = gravest([outcome.ending, Ending.NOTEBOOK_FAILED]) if missing else outcome.ending
    return Demonstration(ending=ending, lines=tuple(lines))


def _end_exchange() -> None:
    """Nobody comes back to a demo: its exchange need not wait for its idle limit."""
    running = embedded.find(DeskPaths.of(NAME).exchange)
    if running is not None:
        embedded.stop(running, SystemClock())


def broken(audit: Audit, *, recorded: bool) -> list[str]:
    """What the demo promises and did not show, a sentence each. A generated market promises less."""
    totals = audit.totals
    promises = [
        (all(row.equal for row in audit.agreements), "the desk's books differ from the exchange's"),
        (
            totals.longest_naked_s <= STOP_WITHIN_S,
            f"a contract was without a stop for {totals.longest_naked_s:.1f} s",
        ),
        (totals.fills > 0, "the bot did not trade"),
    ]
    if recorded:
        promises += [
            (totals.partly_filled_orders > 0, "no order was filled in parts"),
            (totals.round_trips > 0, "no position was opened and closed again"),
            (totals.funding_settlements > 0, "no position was held across the funding settlement"),
            (bool(totals.realized_pnl and totals.fees), "realized profit or fees are zero"),
        ]
    return [sentence for kept, sentence in promises if not kept]


def _told(audit: Audit, results: Sequence[Result]) -> Iterable[str]:
    t = audit.totals
    position = ", ".join(f"{symbol} {shown(size)}" for symbol, size in t.position.items()) or "none"
    yield f"market       {audit.market}"
    for line in (line for result in results for line in result.warmups):
        yield f"warm-up      {line}"
    yield f"fills        {t.fills}; {t.partly_filled_orders} orders in parts; {t.round_trips} round trips"
    yield f"position     {position}"
    yield f"equity       {shown(t.equity)} USDT"
    yield f"realized     {shown(t.realized_pnl)}"
    yield f"fees         {shown(t.fees)}"
    yield f"funding      {shown(t.funding)} in {t.funding_settlements} settlements"
    yield f"stops        {t.stops}; the longest time without one was {t.longest_naked_s * 1e3:.0f} ms"
    for row in audit.agreements:
        if not row.equal:
            yield f"DIFFERENT    {row.symbol} {row.what}: desk {row.desk}, exchange {row.exchange}"
    equal = sum(row.equal for row in audit.agreements)
    yield f"books        {equal} of {len(audit.agreements)} figures equal the exchange's to the last digit"
