"""Real captures: a book that is quoted into, a whole day, and a tape that somebody has spoilt."""

from __future__ import annotations

import gzip
from decimal import Decimal
from itertools import islice
from pathlib import Path

import pytest

from contractdesk import library
from contractdesk.domain.fills import Liquidity
from contractdesk.domain.orders import Side
from contractdesk.history import History, import_, load
from contractdesk.history.findings import FindingKind
from contractdesk.replay import ConstantLatency, DepthQueue, Models, contract_of
from contractdesk.replay.depth_rows import What, read_depth
from contractdesk.replay.recorded import RecordedBook
from contractdesk.replay.run import run
from contractdesk.replay.runner import Outcome, Replay
from contractdesk.replay.setup import Setup
from contractdesk.replay.ticks import read_ticks
from contractdesk.risk.settings import RiskSettings
from tests.history.dumps import BTC
from tests.history.test_integrity import TRX, as_capture
from tests.replay.depth_worlds import BookQuoter

LINES = 12_000  # of the capture: 47 s
FEED_NS = 3_000_000


def quoted(trades: History, depth: History, *, every: bool) -> Outcome:
    dataset = trades.dataset
    terms = contract_of(dataset.files()[0].terms)
    latency = ConstantLatency(feed_ms=3, entry_ms=5, answer_ms=5, read_ms=10, recorded=True)
    setup = Setup(
        instruments=(terms,),
        strategies=(BookQuoter([terms.symbol], timeframe="1s", seed=4, eager=0.05),),
        balance=Decimal(100_000),
        risk=RiskSettings(open_interest_gate=False),
        models=Models(latency=latency, queue=DepthQueue()),
    )
    ticks = read_ticks([dataset], [terms], feed_ns=FEED_NS, recorded=True)
    told = read_depth(depth.dataset, terms, feed_ns=FEED_NS, recorded=True, beside=dataset)
    return Replay(setup, ticks, recorded=[RecordedBook(told)], every=every).run()


@pytest.mark.recording
def test_a_captured_book_is_quoted_into_with_the_recorded_latency(recordings: Path, tmp_path: Path) -> None:
    with gzip.open(recordings / "ws" / "binance_raw" / "binance_usdm_btcusdt_20240808.gz") as capture:
        part = tmp_path / "part.gz"
        part.write_bytes(gzip.compress(b"".join(islice(capture, LINES)), 1))
    for kind in ("trades", "depth"):
        import_(part, kind=kind, root=tmp_path, **BTC)  # type: ignore[arg-type]
    trades, depth = (load(BTC["symbol"], kind=kind, root=tmp_path) for kind in ("trades", "depth"))
    outcome = quoted(trades, depth, every=False)
    told = quoted(trades, depth, every=True)
    assert (outcome.fills, outcome.commands) == (told.fills, told.commands)
    assert (outcome.reports, outcome.refusals) == (told.reports, told.refusals)
    assert outcome.engine.view.symbols[BTC["symbol"]].book == told.engine.view.symbols[BTC["symbol"]].book
    assert {fill.liquidity for fill in outcome.fills} == set(Liquidity)
    assert_within_the_recorded_touch(outcome, trades, depth)


def assert_within_the_recorded_touch(outcome: Outcome, trades: History, depth: History) -> None:
    """No taking fill is better than the book was at its moment, and the book is never crossed."""
    (terms,) = outcome.setup.instruments
    read = read_depth(depth.dataset, terms, feed_ns=FEED_NS, recorded=True, beside=trades.dataset)
    messages = [message for batch in read for message in batch]
    assert [each.what for each in messages[1:]] == [What.DELTA] * (len(messages) - 1)
    assert min(each.heard_ns - each.venue_ns for each in messages) > 0
    recorded = RecordedBook(iter([messages]))
    for fill in outcome.fills:
        recorded.catch_up(fill.venue_ns)
        assert recorded.book.valid
        assert not recorded.book.crossed
        if fill.liquidity is Liquidity.TAKER:
            buy = fill.signed_size > 0
            ticks, best = terms.to_ticks(fill.price), recorded.best(ask=buy)
            assert (ticks >= best) if buy else (ticks <= best), (fill, Side.BUY if buy else Side.SELL, best)


@pytest.mark.recording
def test_a_whole_day_is_walked_through_and_four_hours_of_it_both_ways(
    recordings: Path, tmp_path: Path
) -> None:
    dump = recordings / "gpl3_freqtrade" / "futures-APEUSDT-aggTrades-2024-10-18.zip"
    ape = {"symbol": "APE/USDT:USDT", "venue": "binance", "kind": "agg_trades", "root": tmp_path}
    report = import_(dump, tick="0.0001", lot="1", **ape)  # type: ignore[arg-type]
    assert (report.passed, report.rows_added) == (True, 45_342)
    strategy = library.TrendFollow(["APE/USDT:USDT"], timeframe="1m")
    day, night = load(**ape), load(end="2024-10-18T04:00", **ape)  # type: ignore[arg-type]
    whole = run(strategy, day)
    assert whole.outcome.trades == 45_342
    horizon, every = (run(strategy, night, every=each) for each in (False, True))
    assert (horizon.outcome.fills, horizon.outcome.commands) == (every.outcome.fills, every.outcome.commands)
    assert 0 < len(horizon.outcome.fills) < len(whole.outcome.fills)


@pytest.mark.recording
def test_of_a_spoilt_tape_each_bad_row_is_named_and_the_rest_is_walked_through(
    recordings: Path, tmp_path: Path
) -> None:
    """Row 1 has a price of -1; row 9,327 has neither type nor price nor size."""
    spoilt = recordings / "trades" / "negative" / "binance_usdm_trxusdt_20250304_trades_NEGATIVE.parquet"
    report = import_(as_capture(spoilt, tmp_path / "trx.gz"), root=tmp_path, **TRX)  # type: ignore[arg-type]
    assert {row.row: set(row.reasons) for row in report.quarantined} == {
        1: {FindingKind.NEGATIVE_PRICE},
        9_327: {FindingKind.FOREIGN_TYPE, FindingKind.ZERO_PRICE, FindingKind.ZERO_SIZE},
    }
    assert (report.rows_read, report.rows_refused, report.rows_added) == (10_000, 2, 9_998)
    assert "refused: negative price in trx.gz (row 1" in repr(report)
    trades = load(TRX["symbol"], root=tmp_path)
    result = run(library.TrendFollow([TRX["symbol"]], timeframe="1m"), trades)
    assert result.outcome.trades == 9_998
