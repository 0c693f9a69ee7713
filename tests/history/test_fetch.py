"""History over REST: the real ccxt against a loopback exchange whose market was recorded for two days.

What the exchange itself says, read over plain HTTP, is what the store is compared with.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec import Struct
from typer.testing import CliRunner

from contractdesk.cli import commands
from contractdesk.errors import UnknownSymbol, UserError, VenueError
from contractdesk.history import FindingKind, Report, fetch, load
from contractdesk.history.coverage import sole_fetcher
from contractdesk.history.importing import series_of
from contractdesk.storage.dataset_files import day_folder
from contractdesk.venues.binance import past as binance_past
from tests.history.recorded import (
    SILENCE,
    SYMBOL,
    ask,
    asked_for,
    every_trade,
    last_request,
    record,
)
from tests.venues.rig import exchange_process

NS_PER_MS = 10**6
TRADES = series_of("binance", SYMBOL, "agg_trades")
REPOSITORY = Path(__file__).parents[2]


class Market(Struct):
    """A running exchange, and all trades that it knows."""

    url: str
    trades: list[dict[str, Any]]

    @property
    def since(self) -> datetime:
        """A moment before the first trade."""
        return at(self.trades[0]["T"] - 5_000)

    @property
    def until(self) -> datetime:
        """A moment after the last trade; everything is older than what is too fresh to be told."""
        return at(self.trades[-1]["T"] + 1)

    def fetch(self, root: Path, **more: Any) -> Report:
        wish: dict[str, Any] = {"since": self.since, "until": self.until, "root": root, "base_url": self.url}
        return fetch(SYMBOL, **(wish | more))

    def fault(self, kind: str, **terms: object) -> None:
        ask(f"{self.url}/control/fault", {"kind": kind, **terms}, "POST")

    def answer_trades(self, **terms: object) -> None:
        self.fault("answer", match={"path": "/fapi/v1/aggTrades"}, **terms)


def at(ms: int) -> datetime:
    return datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=ms)


def ms_of(moment: datetime) -> int:
    return round(moment.timestamp() * 1_000)


def midnight(moment: datetime) -> datetime:
    """The one after it."""
    return moment.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)


def stored_ids(root: Path) -> list[int]:
    return [
        int(number) for part in load(SYMBOL, kind="agg_trades", root=root) for number in part.data["trade_id"]
    ]


def found(report: Report, kind: FindingKind) -> list[str]:
    return [finding.example for finding in report.findings if finding.kind is kind]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Market]:
    capture = tmp_path_factory.mktemp("recorded") / "capture.gz"
    seconds = record(capture)
    with exchange_process("--recording", str(capture), "--start", str(seconds - 30)) as url:
        yield Market(url, every_trade(url))


@pytest.fixture
def market(running: Market) -> Iterator[Market]:
    """Without faults, and with nothing of the minute's weight used: a fetch waits where too much is."""
    ask(f"{running.url}/control/limits", {}, "POST")
    yield running
    ask(f"{running.url}/control/fault", method="DELETE")


# -- trades ----------------------------------------------------------------------------------


def test_every_trade_is_stored_once_and_asked_for_once_also_where_a_millisecond_fills_pages(
    market: Market, tmp_path: Path
) -> None:
    report = market.fetch(tmp_path)
    assert (report.series, report.rows_added, report.rows_refused) == (TRADES, len(market.trades), 0)
    assert report.terms_from == "the venue's listing"
    frame = load(SYMBOL, kind="agg_trades", root=tmp_path).df
    busiest = frame.groupby("venue_ns").size().max()
    assert busiest == 1_100  # more than a page
    assert frame["trade_id"].tolist() == [row["a"] for row in market.trades]
    assert frame["venue_ns"].tolist() == [row["T"] * NS_PER_MS for row in market.trades]
    assert frame["price"].tolist() == [float(row["p"]) for row in market.trades]
    assert frame["size"].tolist() == [float(row["q"]) for row in market.trades]
    assert frame["side"].tolist() == [-1 if row["m"] else 1 for row in market.trades]
    assert frame["last_id"].tolist() == [row["l"] for row in market.trades]
    assert [finding.kind for finding in report.findings] == [FindingKind.HOLE]
    assert found(report, FindingKind.HOLE)[0].startswith(f"nothing for {(len(SILENCE) + 4) * 60} s after")

    files = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.parquet")}
    asked = last_request(market.url)
    again = market.fetch(tmp_path)
    assert asked_for(market.url, "aggTrades", asked) == []
    assert (again.passed, again.rows_added, again.rows_read) == (True, 0, 0)
    assert "was not asked for" in found(again, FindingKind.STORED_BEFORE)[0]
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.parquet")} == files


def test_a_longer_fetch_asks_for_the_rest_and_a_lost_day_comes_again(market: Market, tmp_path: Path) -> None:
    first, second = midnight(market.since), midnight(midnight(market.since))
    market.fetch(tmp_path, since=first, until=second)
    both = market.fetch(tmp_path)
    assert stored_ids(tmp_path) == [row["a"] for row in market.trades]
    inside = [row for row in market.trades if ms_of(first) <= row["T"] < ms_of(second)]
    assert both.rows_read == len(market.trades) - len(inside)
    assert found(both, FindingKind.ID_GAP) == []  # the day in the middle is known

    for path in day_folder(tmp_path, TRADES, first.date()).glob("*.parquet"):
        path.unlink()
    repaired = market.fetch(tmp_path)
    assert (repaired.rows_added, repaired.rows_read) == (len(inside), len(inside))
    assert stored_ids(tmp_path) == [row["a"] for row in market.trades]


def test_the_first_trade_is_searched_by_id_where_nothing_was_traded_for_hours(
    market: Market, tmp_path: Path
) -> None:
    silent_from = next(
        row["T"] for row, later in zip(market.trades, market.trades[1:], strict=False)
        if later["T"] - row["T"] > 3_600_000
    )  # fmt: skip
    since = at(silent_from + 60_000)
    report = market.fetch(tmp_path, since=since)
    assert stored_ids(tmp_path) == [row["a"] for row in market.trades if row["T"] > silent_from]
    asked = last_request(market.url)
    market.fetch(tmp_path, since=since)
    assert asked_for(market.url, "aggTrades", asked) == []  # that nothing was traded is known for certain
    assert found(report, FindingKind.HOLE) != []

    older = market.fetch(tmp_path, since=market.since - timedelta(days=9))
    assert stored_ids(tmp_path) == [row["a"] for row in market.trades]
    assert any(text.startswith("nothing for 7776") for text in found(older, FindingKind.HOLE))  # nine days


def test_no_trade_is_lost_where_the_venue_tells_the_last_ones_of_an_hour(
    market: Market, tmp_path: Path
) -> None:
    market.answer_trades(status=200, msg=json.dumps(market.trades[1_200:1_210]))
    report = market.fetch(tmp_path)
    assert stored_ids(tmp_path) == [row["a"] for row in market.trades]
    assert found(report, FindingKind.ID_GAP) == []


def test_ids_that_the_venue_leaves_out_are_named(market: Market, tmp_path: Path) -> None:
    shown = [row for row in market.trades[:20] if not 11 <= row["a"] <= 14]
    market.answer_trades(status=200, msg=json.dumps(shown))
    report = market.fetch(tmp_path)
    assert found(report, FindingKind.ID_GAP) == ["11 to 14 (4) are missing before row 11"]
    assert not report.passed
    again = market.fetch(tmp_path)
    assert found(again, FindingKind.ID_GAP)[0].startswith("11 to 14 (4) are missing before 20")  # its time


def test_prices_of_other_terms_are_not_lost_but_asked_for_with_the_terms_of_then(
    market: Market, tmp_path: Path
) -> None:
    finer = [{**row, "p": "60000.05"} for row in market.trades[:20]]
    wish: dict[str, Any] = {"until": market.since + timedelta(hours=6)}
    market.answer_trades(status=200, msg=json.dumps(finer), count=4)  # of each fetch the first two
    with pytest.raises(
        UserError, match=r"60000.05 at 20.* no multiple of the tick 0.10: .* such as 0.01 \(--tick\)"
    ):
        market.fetch(tmp_path, **wish)
    report = market.fetch(tmp_path, tick="0.01", **wish)
    assert report.terms_from == "the given tick and lot size"
    frame = load(SYMBOL, kind="agg_trades", root=tmp_path).df
    assert frame["price"].tolist()[:21] == [60000.05] * 20 + [float(market.trades[20]["p"])]


# -- limits, failures, interrupts ------------------------------------------------------------


def test_a_demanded_silence_is_kept_to_the_second_and_a_ban_ends_the_fetch(
    market: Market, tmp_path: Path
) -> None:
    until = midnight(market.since)
    market.answer_trades(status=429, code=-1003, msg="Too many requests.", retry_after_s=1)
    asked = last_request(market.url)
    market.fetch(tmp_path, until=until)
    refused, repeated = asked_for(market.url, "aggTrades", asked)[:2]
    assert (refused["status"], repeated["status"]) == (429, 200)
    assert repeated["ns"] - refused["ns"] >= 10**9
    kept = [row["a"] for row in market.trades if row["T"] < ms_of(until)]
    assert stored_ids(tmp_path) == kept
    market.answer_trades(status=418, code=-1003, msg="Way too many requests.", retry_after_s=3_600)
    with pytest.raises(VenueError, match=r"binance wants silence until 20.* fetch the same again to go on"):
        market.fetch(tmp_path)
    assert stored_ids(tmp_path) == kept
    market.fetch(tmp_path)
    assert stored_ids(tmp_path) == [row["a"] for row in market.trades]


def command(*words: str) -> subprocess.Popen[str]:
    """``contractdesk fetch`` of this checkout, listening to interrupts."""
    enter = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    run = [sys.executable, "-c", enter + "from contractdesk.cli import app; app()", "fetch", *words]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    return subprocess.Popen(
        run, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, cwd=REPOSITORY
    )


def test_an_interrupt_keeps_what_came_and_the_same_command_goes_on(market: Market, tmp_path: Path) -> None:
    words = ["binance", SYMBOL, "--since", market.since.isoformat(), "--until", market.until.isoformat()]
    words += ["--into", str(tmp_path), "--base-url", market.url]
    for ms, count in ((1, 2), (5_000, 100)):  # the third request hangs when the interrupt comes
        market.fault("delay", ms=ms, when="before", count=count, match={"path": "/fapi/v1/aggTrades"})
    asked = last_request(market.url)
    with command(*words) as process:
        deadline = time.monotonic() + 60
        while len(asked_for(market.url, "aggTrades", asked)) < 3 and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        out, told = process.communicate(timeout=20)
    kept = stored_ids(tmp_path)
    assert (process.returncode, out) == (130, "")
    assert told.strip().endswith(f"stopped: {len(kept):,} new rows are stored; fetch the same again to go on")
    assert 0 < len(kept) < len(market.trades)
    assert kept == [row["a"] for row in market.trades[: len(kept)]]

    ask(f"{market.url}/control/fault", method="DELETE")
    on = CliRunner().invoke(commands, ["fetch", *words])
    assert on.exit_code == 1  # the silence is a finding
    assert f"{len(market.trades) - len(kept):,} new" in on.output.splitlines()[0]
    assert "stored before" in on.output
    assert stored_ids(tmp_path) == [row["a"] for row in market.trades]


def test_one_series_is_fetched_once_at_a_time(market: Market, tmp_path: Path) -> None:
    with sole_fetcher(tmp_path, TRADES), pytest.raises(UserError, match="is being fetched already"):
        market.fetch(tmp_path)


# -- the other kinds -------------------------------------------------------------------------


def test_candles_are_the_venues_and_closed(market: Market, tmp_path: Path) -> None:
    report = market.fetch(tmp_path, kind="candles", until=None)
    bars = load(SYMBOL, kind="candles", timeframe="1m", root=tmp_path).df
    assert len(bars) > 3_000  # four pages
    assert set(np.diff(bars["venue_ns"])) == {60 * 10**9}
    assert int(bars["venue_ns"].iloc[-1]) + 60 * 10**9 <= time.time_ns()
    start = ms_of(market.since) + 1_000 * 60_000
    rows = ask(f"{market.url}/fapi/v1/klines?symbol=BTCUSDT&interval=1m&limit=1000&startTime={start}")
    told = bars[bars["venue_ns"].isin([row[0] * NS_PER_MS for row in rows])]
    assert told[["open_price", "high_price", "low_price", "close_price", "size"]].to_numpy().tolist() == [
        [float(cell) for cell in row[1:6]] for row in rows
    ]
    assert report.passed
    hours = market.fetch(tmp_path, kind="candles", timeframe="4h")
    assert hours.series.dataset == "candles_4h"
    assert hours.rows_added in (12, 13)


def test_funding_rates_are_those_that_settled(market: Market, tmp_path: Path) -> None:
    ms = [ms_of(market.since) + hour * 3_600_000 for hour in (1, 9, 17, 25, 33, 49)]  # one is missing
    rates = [f"0.0001{number}" for number in range(len(ms))]
    wish = {"symbol": "BTCUSDT", "rates": [[moment, rate] for moment, rate in zip(ms, rates, strict=True)]}
    ask(f"{market.url}/control/past_funding", wish, "POST")

    async def in_a_cell() -> Report:  # a notebook's loop runs while its cell does
        return market.fetch(tmp_path, kind="funding", since=market.since + timedelta(minutes=90))

    report = asyncio.run(in_a_cell())
    rows = [row for part in load(SYMBOL, kind="funding", root=tmp_path) for row in part.data.to_pylist()]
    assert [(row["venue_ns"], row["rate"]) for row in rows] == [
        (moment * NS_PER_MS, Decimal(rate)) for moment, rate in list(zip(ms, rates, strict=True))[1:]
    ]
    assert found(report, FindingKind.HOLE)[0].startswith("nothing for 57600 s after")


def test_open_interest_older_than_the_venue_keeps_is_said_to_be_missing(
    market: Market, tmp_path: Path
) -> None:
    now = datetime.now(UTC)
    span = {"since": now - timedelta(days=40), "until": now - timedelta(days=26)}
    report = market.fetch(tmp_path, kind="open_interest", **span)
    stored = load(SYMBOL, kind="open_interest", root=tmp_path)
    times = [int(ns) for part in stored.batches(["venue_ns"]) for ns in part.data["venue_ns"].to_numpy()]
    assert len(times) > 3 * 288  # two pages
    assert set(np.diff(times)) == {300 * 10**9}
    assert [int(text.split()[2]) // 86_400 for text in found(report, FindingKind.HOLE)] == [10]
    asked = last_request(market.url)
    assert market.fetch(tmp_path, kind="open_interest", **span).rows_added == 0
    assert len(asked_for(market.url, "openInterestHist", asked)) <= 1


def test_coin_margined_contracts_are_told_in_contracts(tmp_path: Path) -> None:
    coin = "BTC/USD:BTC"
    with exchange_process("--seed", "5") as url:
        wish: dict[str, Any] = {
            "since": datetime.now(UTC) - timedelta(hours=6),
            "root": tmp_path,
            "base_url": url,
        }
        assert fetch("BTCUSD_PERP", **wish).series.symbol == coin
        fetch(coin, kind="candles", **{**wish, "since": datetime.now(UTC) - timedelta(hours=24)})
        fetch(coin, kind="open_interest", **wish)
        trades = load(coin, kind="agg_trades", root=tmp_path).df
        bars = load(coin, kind="candles", timeframe="1m", root=tmp_path).df
        assert len(bars) > 1_400, "more than a page, of which this product tells the last ones first"
        assert set(np.diff(bars["venue_ns"])) == {60 * 10**9}
        whole = bars.iloc[-5:-1]
        first, last = int(whole["venue_ns"].iloc[0]), int(whole["venue_ns"].iloc[-1]) + 60 * 10**9
        inside = trades[(trades["venue_ns"] >= first) & (trades["venue_ns"] < last)]
        assert inside["size"].sum() == whole["size"].sum() > 0
        rows = [
            row for part in load(coin, kind="open_interest", root=tmp_path) for row in part.data.to_pylist()
        ]
        assert {row["amount"] for row in rows} == {Decimal(11_800_000 * 100)}  # contracts of 100 USD


# -- what cannot be done ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"since": "2099-01-01"}, "since 2099-01-01 lies in the future: give an earlier time"),
        ({"since": None}, "since when"),
        ({"since": "soon"}, "'soon' is no time"),
        ({"since": "2026-01-02", "until": "2026-01-01"}, "is not after since 2026-01-02: give a later until"),
        ({"kind": "ticks"}, "no kind 'ticks'"),
        ({"kind": "marks"}, "marks cannot be fetched: a venue tells candles of past marks only"),
        ({"kind": "depth"}, "trades, candles, funding, open_interest can, by REST"),
        ({"kind": "candles", "timeframe": "7m"}, "no candles of '7m'; it has 1m, 3m, 5m"),
        ({"kind": "funding", "timeframe": "1m"}, "candles have a timeframe, and nothing else has"),
        ({"venue": "bybit"}, "no history is fetched from 'bybit', only from binance: download"),
        ({"tick": "-1"}, "tick -1: it must be a positive number"),
        ({"base_url": "localhost"}, "'localhost' is no base URL"),
    ],
)
def test_a_wish_that_cannot_be_met_says_what_to_do(words: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=said):
        fetch(SYMBOL, **({"since": "2026-01-01", "root": tmp_path} | words))
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_symbol_has_its_near_matches(market: Market, tmp_path: Path) -> None:
    with pytest.raises(
        UnknownSymbol, match=r"no contract 'BTC/USDT'; did you mean BTCUSDT or BTC/USDT:USDT\?"
    ):
        fetch("BTC/USDT", since=market.since, root=tmp_path, base_url=market.url)


def test_an_address_where_nobody_answers_is_said_soon(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(binance_past, "OPEN_LIMIT_S", 0.05)
    with pytest.raises(VenueError, match=r"http://127.0.0.1:9 does not answer"):
        fetch(SYMBOL, since="2026-01-01", root=tmp_path, base_url="http://127.0.0.1:9")
