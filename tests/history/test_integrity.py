"""What the checks name: on made rows one by one, and on real recordings with what is known of them."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from contractdesk.errors import StorageError, UnknownSymbol, UserError
from contractdesk.history import FindingKind, Report, check, import_, load
from contractdesk.history.findings import Severity
from contractdesk.storage.schema import TradeFlag
from tests.history.dumps import BTC, T0_MS, binance_trade, binance_trades, gzipped

TRX = {"venue": "binance", "symbol": "TRX/USDT:USDT", "tick": "0.00001", "lot": "1"}


def kinds(report: Report) -> dict[FindingKind, int]:
    return {finding.kind: report.count(finding.kind) for finding in report.findings}


def checked(folder: Path, rows: list[str], **more: object) -> Report:
    return check(binance_trades(folder, rows), **BTC, **more)  # type: ignore[arg-type]


def test_a_sound_file_has_no_findings(tmp_path: Path) -> None:
    report = checked(tmp_path, [binance_trade(n) for n in range(1, 500)])
    assert (report.findings, report.passed, report.rows_read) == ((), True, 499)


def test_gaps_are_named_with_what_is_missing(tmp_path: Path) -> None:
    report = checked(tmp_path, [binance_trade(n) for n in (1, 2, 6, 7, 9)])
    (gap,) = report.findings
    assert (gap.kind, gap.count, gap.first_row, gap.last_row) == (FindingKind.ID_GAP, 2, 3, 5)
    assert gap.example == "3 to 5 (3) are missing before row 3"


def test_rows_out_of_order_fill_their_gap_and_are_told(tmp_path: Path) -> None:
    report = checked(tmp_path, [binance_trade(n) for n in (1, 2, 4, 3, 5)])
    (late,) = report.findings
    assert (late.kind, late.first_row, late.example) == (
        FindingKind.OUT_OF_ORDER, 4, "row 4 goes back by 10.000 ms",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("row", "kind"),
    [
        (binance_trade(3, price="0.00"), FindingKind.ZERO_PRICE),
        (binance_trade(3, price="-1.0"), FindingKind.NEGATIVE_PRICE),
        (binance_trade(3, price="nan"), FindingKind.NON_FINITE_PRICE),
        (binance_trade(3, price="61800.35"), FindingKind.OFF_GRID_PRICE),
        (binance_trade(3, size="0.000"), FindingKind.ZERO_SIZE),
        (binance_trade(3, size="-2"), FindingKind.NEGATIVE_SIZE),
        (binance_trade(3, size="inf"), FindingKind.NON_FINITE_SIZE),
        (binance_trade(3, size="0.0005"), FindingKind.OFF_GRID_SIZE),
        (binance_trade(2), FindingKind.DUPLICATE_ID),
        (binance_trade(3, ms=17), FindingKind.BAD_TIME),
    ],
    ids=lambda each: each.value if isinstance(each, FindingKind) else "",
)
def test_a_bad_row_is_not_stored_and_is_named(tmp_path: Path, row: str, kind: FindingKind) -> None:
    rows = [binance_trade(1), binance_trade(2), row]
    report = import_(binance_trades(tmp_path, rows), root=tmp_path, **BTC)  # type: ignore[arg-type]
    assert [(each.row, each.reasons) for each in report.quarantined] == [(3, (kind,))]
    (finding,) = report.findings
    assert (finding.kind, finding.severity, finding.count) == (kind, Severity.REFUSED, 1)
    assert (finding.first_row, finding.last_row, report.rows_added) == (3, 3, 2)


def test_silences_and_empty_days(tmp_path: Path) -> None:
    rows = [
        binance_trade(1),
        binance_trade(2, ms=T0_MS + 400_000),
        binance_trade(3, ms=T0_MS + 3 * 86_400_000),
    ]
    report = checked(tmp_path, rows)
    assert kinds(report) == {FindingKind.HOLE: 2, FindingKind.EMPTY_DAY: 2}
    hole = report.findings[0]
    assert hole.example == "nothing for 400 s after 2024-08-08 00:00:00.010"
    assert kinds(checked(tmp_path, rows[:2], hole_s=500.0)) == {}


def capture(path: Path, stamps: list[tuple[int, int]]) -> Path:
    """Trades at (venue ms, local ms)."""
    lines = []
    for number, (venue, local) in enumerate(stamps, 1):
        data = {"e": "trade", "E": venue, "T": venue, "s": "BTCUSDT", "t": number, "p": "100.0", "q": "1",
                "X": "MARKET", "m": False}  # fmt: skip
        lines.append(
            f"{local}000000 {json.dumps({'stream': 'btcusdt@trade', 'data': data}, separators=(',', ':'))}"
        )
    return gzipped(path, lines)


def test_a_clock_that_is_set_is_a_jump_and_a_slow_moment_is_none(tmp_path: Path) -> None:
    plain = [(T0_MS + n * 10, T0_MS + n * 10 + 3) for n in range(2_000)]
    jumped = [(venue, local + (2_000 if n >= 900 else 0)) for n, (venue, local) in enumerate(plain)]
    slow = [(venue, local + (900 if 900 <= n < 960 else 0)) for n, (venue, local) in enumerate(plain)]
    report = check(capture(tmp_path / "a.gz", jumped), **BTC)  # type: ignore[arg-type]
    (jump, *_) = [each for each in report.findings if each.kind is FindingKind.CLOCK_JUMP]
    assert (jump.count, jump.first_row) == (1, 901)
    assert jump.example == "local - venue time leaps by +2000 ms at row 901"
    assert kinds(check(capture(tmp_path / "b.gz", slow), **BTC)) == {}  # type: ignore[arg-type]


def test_the_report_has_three_faces_beside_the_data(tmp_path: Path) -> None:
    rows = [binance_trade(1), binance_trade(4, price="-1.0")]
    report = import_(binance_trades(tmp_path, rows), root=tmp_path, **BTC)  # type: ignore[arg-type]
    (path,) = tmp_path.rglob("_reports/*.json")
    assert Report.read(path) == report
    text, page = path.with_suffix(".txt").read_text(), path.with_suffix(".html").read_text()
    assert text == f"{report!r}\n"
    assert "refused: negative price in BTCUSDT-trades-2024-08-08.zip (row 2" in text
    assert "<td>negative price</td>" in page
    with pytest.raises(StorageError, match="no report"):
        Report.read(path.with_suffix(".txt"))


def test_terms_are_given_listed_or_inferred_and_that_is_said(tmp_path: Path) -> None:
    file = binance_trades(tmp_path, [binance_trade(1, "61800.30", "0.006")])
    who = {"venue": "binance", "symbol": "BTC/USDT:USDT"}
    inferred = check(file, **who)  # type: ignore[arg-type]
    assert (str(inferred.terms.tick_size), str(inferred.terms.lot_size)) == ("0.1", "0.001")
    assert kinds(inferred) == {FindingKind.INFERRED_TERMS: 1}
    listing = tmp_path / "exchangeInfo.json"
    filters = [
        {"filterType": "PRICE_FILTER", "tickSize": "0.10"},
        {"filterType": "LOT_SIZE", "stepSize": "0.001"},
    ]
    listing.write_text(json.dumps({"symbols": [{"symbol": "BTCUSDT", "filters": filters}]}))
    assert check(file, terms=listing, **who).terms_from == f"listed in {listing}"  # type: ignore[arg-type]
    with pytest.raises(UnknownSymbol, match="does not list ETHUSDT"):
        check(file, terms=listing, venue="binance", symbol="ETH/USDT:USDT")
    with pytest.raises(UserError, match="or neither"):
        check(file, tick="0.1", **who)  # type: ignore[arg-type]


# -- real recordings -------------------------------------------------------------------------


def as_capture(table: Path, target: Path) -> Path:
    """A recorded table of trade messages as the lines that it was made of."""
    lines = []
    for row in pq.read_table(table).to_pylist():
        data = {
            "e": row["EventType"], "E": row["EventTime"], "T": row["TransactionTime"], "s": row["Symbol"],
            "t": row["TradeId"], "p": repr(row["Price"]), "q": repr(row["Quantity"]),
            "X": row["XUnknownParameter"], "m": bool(row["IsBuyerMarketMaker"]),
        }  # fmt: skip
        push = json.dumps({"stream": row["Stream"], "data": data}, separators=(",", ":"))
        lines.append(f"{row['TimestampOfReceive']} {push}")
    return gzipped(target, lines)


BLANK = (FindingKind.FOREIGN_TYPE, FindingKind.ZERO_PRICE, FindingKind.ZERO_SIZE)


@pytest.mark.recording
def test_trx_has_one_trade_that_is_none(recordings: Path, tmp_path: Path) -> None:
    table = recordings / "trades" / "binance_usdm_trxusdt_20250304_trades.parquet"
    report = import_(as_capture(table, tmp_path / "trx.gz"), root=tmp_path, **TRX)  # type: ignore[arg-type]
    assert [(row.row, set(row.reasons)) for row in report.quarantined] == [(9_327, set(BLANK))]
    assert kinds(report) == dict.fromkeys(BLANK, 1)
    assert (report.rows_read, report.rows_added) == (10_000, 9_999)


@pytest.mark.recording
def test_the_corrupted_copy_is_found_out_row_by_row(recordings: Path, tmp_path: Path) -> None:
    folder = recordings / "trades"
    spoilt = folder / "negative" / "binance_usdm_trxusdt_20250304_trades_NEGATIVE.parquet"
    before = pq.read_table(folder / "binance_usdm_trxusdt_20250304_trades.parquet").to_pylist()
    after = pq.read_table(spoilt).to_pylist()
    changed = {
        n: [c for c in a if a[c] != b[c]]
        for n, (a, b) in enumerate(zip(before, after, strict=True), 1)
        if a != b
    }
    assert changed == {
        1: ["Price"],
        9_327: ["XUnknownParameter"],
    }  # the truth: a price of -1, a type that is null
    report = check(as_capture(spoilt, tmp_path / "trx.gz"), **TRX)  # type: ignore[arg-type]
    assert {row.row: set(row.reasons) for row in report.quarantined} == {
        1: {FindingKind.NEGATIVE_PRICE},
        9_327: set(BLANK),
    }
    assert kinds(report) == {FindingKind.NEGATIVE_PRICE: 1, **dict.fromkeys(BLANK, 1)}


@pytest.mark.recording
def test_the_2023_pair_is_contiguous_and_the_insurance_funds_trade_is_flagged(
    recordings: Path, tmp_path: Path
) -> None:
    files = [recordings / "ws" / "binance_raw" / f"binance_usdm_btcusdt_2023040{day}.gz" for day in (4, 5)]
    report = import_(files, root=tmp_path, **BTC)  # type: ignore[arg-type]
    assert kinds(report) == {FindingKind.FOREIGN_TYPE: 1}
    assert report.findings[0].example == "type INSURANCE_FUND"
    assert (report.passed, report.rows_added) == (True, 2_197 + 10_738)
    rows = [row for part in load(BTC["symbol"], root=tmp_path) for row in part.data.to_pylist()]
    ids = [row["trade_id"] for row in rows]
    assert ids == list(range(ids[0], ids[0] + 12_935))
    assert [row["flags"] for row in rows if row["flags"]] == [TradeFlag.INSURANCE_FUND]
    assert [day.day for day in report.days] == ["2023-04-04", "2023-04-05"]
    again = import_(files[::-1], root=tmp_path, **BTC)  # type: ignore[arg-type]
    assert [day.changed for day in again.days] == [False, False]


@pytest.mark.recording
@pytest.mark.parametrize(
    ("name", "symbol", "tick", "lot", "kind"),
    [
        ("usdm_btcusdt", "BTC/USDT:USDT", "0.1", "0.001", "trades"),
        ("usdm_btcusdt", "BTC/USDT:USDT", "0.1", "0.001", "quotes"),
        ("usdm_btcusdt", "BTC/USDT:USDT", "0.1", "0.001", "depth"),
        ("coinm_btcusd_perp", "BTC/USD:BTC", "0.1", "1", "trades"),
        ("coinm_btcusd_perp", "BTC/USD:BTC", "0.1", "1", "depth"),
        ("spot_btcusdt", "BTC/USDT", "0.01", "0.00001", "trades"),
        ("spot_btcusdt", "BTC/USDT", "0.01", "0.000001", "depth"),  # three old levels are finer than 1e-5
    ],
)
def test_a_clock_behind_the_venues_is_an_offset_and_no_error(
    recordings: Path, name: str, symbol: str, tick: str, lot: str, kind: str
) -> None:
    file = recordings / "ws" / "binance_raw" / f"binance_{name}_20240808.gz"
    size = 100 if symbol.endswith(":BTC") else 1
    report = check(file, venue="binance", symbol=symbol, kind=kind, tick=tick, lot=lot, contract_size=size)
    assert kinds(report) == {FindingKind.CLOCK_OFFSET: 1}, report
    assert report.findings[0].example == "the local clock is 1.27 s behind the venue's"
    assert report.passed
    assert -1_300 < report.offsets[0].offset.median_ms < -1_240


@pytest.mark.recording
def test_a_full_day_of_aggregates_is_contiguous(recordings: Path, tmp_path: Path) -> None:
    day = recordings / "gpl3_freqtrade" / "futures-APEUSDT-aggTrades-2024-10-18.zip"
    report = import_(
        day, venue="binance", symbol="APE/USDT:USDT", kind="agg_trades", tick="0.0001", lot="1", root=tmp_path
    )
    assert (report.passed, report.rows_added, report.rows_refused) == (True, 45_342, 0)
    # One print, the insurance fund's or ADL's, is in no aggregate: a hole in the prints, none in the ids.
    assert kinds(report) == {FindingKind.UNAGGREGATED: 1}
    rows = [
        row
        for part in load("APE/USDT:USDT", kind="agg_trades", root=tmp_path)
        for row in part.data.to_pylist()
    ]
    assert sum(row["last_id"] - row["first_id"] + 1 for row in rows) == 180_907
    source = pq.read_table(recordings / "gpl3_freqtrade" / "binance_usdm_apeusdt_20241018_aggtrades.parquet")
    frame = load("APE/USDT:USDT", kind="agg_trades", root=tmp_path).df
    assert frame["price"].tolist() == source["price"].to_pylist()
    assert frame["size"].tolist() == source["quantity"].to_pylist()
