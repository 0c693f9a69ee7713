"""A desk's own tape into the store and back: no market fact is lost."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from contractdesk.domain.events import Event
from contractdesk.domain.market import pack_levels
from contractdesk.domain.market_events import (
    BookChanged,
    BookInvalidated,
    BookSnapshotRead,
    ChannelAlive,
    FundingSettled,
    LiquidationPrinted,
    MarkPriced,
    OpenInterestRead,
    TradePrinted,
)
from contractdesk.domain.orders import Side
from contractdesk.errors import UserError
from contractdesk.history import FindingKind, import_, load
from contractdesk.storage.tape import Tape
from tests.domain.terms import LINEAR
from tests.history.dumps import T0

D = Decimal
SYMBOL = LINEAR.symbol


def facts(number: int) -> list[Event]:
    """One of each, a second after the one before."""
    at, heard = T0 + number * 10**9, T0 + number * 10**9 + 3_000_000
    who, ids = {"symbol": SYMBOL, "ts_ns": heard}, range(number * 10, number * 10 + 6)
    bids, asks = pack_levels([(600_000, 5), (599_999, number)]), pack_levels([(600_001, 0)])
    price, size = D("60000.1"), D("0.001") * (number + 1)
    return [
        BookInvalidated(reason="gap", **who),
        BookSnapshotRead(update_id=ids[0], bids=bids, asks=b"", venue_ns=0, **who),
        BookChanged(first_id=ids[1], last_id=ids[4], bids=bids, asks=asks, venue_ns=at, **who),
        BookChanged(first_id=ids[5], last_id=ids[5], bids=b"", asks=b"", venue_ns=at, **who),
        TradePrinted(trade_id=number, price=price, size=size, taker=Side.SELL, venue_ns=at, **who),
        MarkPriced(mark=D("60000.12345678"), index=D("60001.5"), funding_rate=D("-0.00002754"),
                   next_funding_ns=at, venue_ns=at, **who),
        FundingSettled(rate=D("0.0001"), funding_ns=at, **who),
        LiquidationPrinted(side=Side.BUY, size=size, price=price, venue_ns=at, **who),
        OpenInterestRead(amount=D("81234.567"), venue_ns=at, **who),
        ChannelAlive(channel="book", **who),
    ]  # fmt: skip


@pytest.fixture
def tape(tmp_path: Path) -> Path:
    written = Tape(tmp_path / "tape")
    told = [event for number in range(40) for event in facts(number)]
    for seq, event in enumerate(told, 1):
        written.append(seq, event)
    assert written.close()
    return tmp_path / "tape"


KINDS = {
    "agg_trades": (TradePrinted,),
    "depth": (BookInvalidated, BookSnapshotRead, BookChanged),
    "marks": (MarkPriced,),
    "funding": (FundingSettled,),
    "liquidations": (LiquidationPrinted,),
    "open_interest": (OpenInterestRead,),
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_taped_comes_out_of_the_store_again(tape: Path, tmp_path: Path, kind: str) -> None:
    where = {"venue": "binance", "symbol": SYMBOL, "kind": kind, "root": tmp_path / "store"}
    report = import_(tape, instrument=LINEAR, **where)  # type: ignore[arg-type]
    assert report.passed, report
    told = [event for number in range(40) for event in facts(number) if isinstance(event, KINDS[kind])]
    found = list(load(SYMBOL, kind=kind, root=tmp_path / "store").events())
    assert found == told
    assert report.count(FindingKind.LEFT_OUT) == 400 - len(told)
    assert all(not day.changed for day in import_(tape, instrument=LINEAR, **where).days)  # type: ignore[arg-type]


def test_a_torn_tape_is_told_and_aggregates_are_not_taken_for_prints(tape: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--kind agg_trades"):
        import_(tape, venue="binance", symbol=SYMBOL, instrument=LINEAR, root=tmp_path / "store")
    (segment,) = tape.glob("*.tape")
    segment.write_bytes(segment.read_bytes()[:-7])
    report = import_(
        tape, venue="binance", symbol=SYMBOL, kind="marks", instrument=LINEAR, root=tmp_path / "store"
    )
    assert not report.passed
    assert "ends in the middle" in report.text()
