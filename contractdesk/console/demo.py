"""``contractdesk demo``: the console notebook, headless, on the recorded market where there is one."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path

import msgspec
from msgspec import Struct

from contractdesk.console.audit import Audit
from contractdesk.console.headless import execute
from contractdesk.console.result import Ending
from contractdesk.console.tables import shown

# BTCUSDT perpetual across the funding settlement of 2023-04-05 00:00 UTC; both captures are contiguous.
CAPTURE = "ws/binance_raw/binance_usdm_btcusdt_2023040[45].gz"
OPENING_S = 30.0  # into the first capture: a minute before the settlement, with bars enough to warm up
RECORDED_MINUTES = 8.0  # from there to the end of the second capture
STARTING_MINUTES = 1.0


class Demonstration(Struct, frozen=True, kw_only=True):
    """What a demo run came to."""

    ending: Ending
    lines: tuple[str, ...]


def demonstrate(
    notebook: Path, output: Path, recordings: Path | None, speed: float, seed: int
) -> Demonstration:
    """Run the console notebook with the bot trading, bounded in time, and sum it up."""
    recorded = recordings is not None and any(recordings.glob(CAPTURE))
    minutes = RECORDED_MINUTES / speed if recorded else 2.0
    with tempfile.TemporaryDirectory(prefix="contractdesk-") as folder:
        report = Path(folder) / "audit.json"
        outcome = execute(
            notebook,
            output,
            {
                "name": "demo",
                "recording": str((recordings / CAPTURE).resolve()) if recorded and recordings else "",
                "speed": speed,
                "opening_s": OPENING_S,
                "seed": seed,
                "fills": 6,
                "through_funding": recorded,
                "longest_minutes": minutes + STARTING_MINUTES,
                "result_path": str(report),
            },
        )
        audit = msgspec.json.decode(report.read_bytes(), type=Audit) if report.exists() else None
    lines = [*([outcome.failure] if outcome.failure else []), *(_told(audit) if audit else ())]
    ending = outcome.ending
    if audit is not None and not audit.passed:
        ending = max(ending, Ending.NOTEBOOK_FAILED)
    return Demonstration(ending=ending, lines=(*lines, f"notebook     {output}"))


def _told(audit: Audit) -> Iterable[str]:
    t = audit.totals
    position = ", ".join(f"{symbol} {shown(size)}" for symbol, size in t.position.items()) or "none"
    yield f"market       {audit.market}"
    yield f"fills        {t.fills}, {t.partly_filled_orders} orders filled in parts, {t.round_trips} round trips"
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
