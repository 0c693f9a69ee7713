"""The venues' dumps as they are documented, and their variants over the years."""

from __future__ import annotations

from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

import pytest

from contractdesk.errors import UserError
from contractdesk.history import FindingKind, check, csv_rows, import_, load
from contractdesk.history.findings import Severity
from tests.history.dumps import BTC, T0, T0_MS, binance_trade, binance_trades, gzipped, zipped

Row = dict[str, object]


def stored(root: Path, symbol: str = "BTC/USDT:USDT", **which: str) -> list[Row]:
    return [row for part in load(symbol, root=root, **which) for row in part.data.to_pylist()]  # type: ignore[arg-type]


def columns(rows: list[Row], *names: str) -> list[tuple[object, ...]]:
    return [tuple(row[name] for name in names) for row in rows]


def test_binance_futures_trades_with_and_without_a_header_are_the_same(tmp_path: Path) -> None:
    rows = [binance_trade(1), binance_trade(2, "61800.4", "1.000")]
    for name, file in (
        ("new", binance_trades(tmp_path, rows)),
        ("old", zipped(tmp_path / "BTCUSDT-trades-2020-08-08.zip", rows)),
    ):
        report = import_(file, root=tmp_path / name, **BTC)  # type: ignore[arg-type]
        assert (report.passed, report.rows_added) == (True, 2)
        found = stored(tmp_path / name)
        told = columns(found, "venue_ns", "local_ns", "trade_id", "ticks", "lots", "side", "flags")
        assert told == [
            (T0 + 10 * 10**6, 0, 1, 618_003, 6, -1, 0),  # the buyer was the maker: a seller took
            (T0 + 20 * 10**6, 0, 2, 618_004, 1_000, 1, 0),
        ]


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("spot, ms, no header", [f"7,61837.63,0.02,7001,7003,{T0_MS},True,True"]),
        ("spot, us since 2025, no header", [f"7,61837.63,0.02,7001,7003,{T0_MS}000,True,True"]),
        (
            "futures, header",
            [
                "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker",
                f"7,61837.63,0.02,7001,7003,{T0_MS},true",
            ],
        ),
        ("futures, no header", [f"7,61837.63,0.02,7001,7003,{T0_MS},true"]),
    ],
)
def test_binance_aggregates_of_all_years(tmp_path: Path, name: str, lines: list[str]) -> None:
    file = zipped(tmp_path / "BTCUSDT-aggTrades-2025-01-01.zip", lines)
    where = {"venue": "binance", "symbol": "BTC/USDT", "kind": "agg_trades", "root": tmp_path}
    assert import_(file, tick="0.01", lot="0.00001", **where).passed, name  # type: ignore[arg-type]
    (row,) = stored(tmp_path, "BTC/USDT", kind="agg_trades")
    told = {"venue_ns": T0, "trade_id": 7, "ticks": 6_183_763, "lots": 2_000, "side": -1}
    assert row == {**told, "local_ns": 0, "flags": 0, "first_id": 7001, "last_id": 7003}


def test_one_kind_is_not_taken_for_the_other(tmp_path: Path) -> None:
    aggregates = zipped(tmp_path / "BTCUSDT-aggTrades-2024-08-08.zip", [f"7,1.0,2,3,4,{T0_MS},true"])
    with pytest.raises(UserError, match="holds agg_trades: import it as such"):
        import_(aggregates, root=tmp_path, **BTC)  # type: ignore[arg-type]
    with pytest.raises(UserError, match="holds trades"):
        import_(binance_trades(tmp_path, [binance_trade(1)]), root=tmp_path, kind="agg_trades", **BTC)  # type: ignore[arg-type]
    with pytest.raises(UserError, match="3 columns and no header"):
        import_(zipped(tmp_path / "x-trades-1.zip", ["1,2,3"]), root=tmp_path, **BTC)  # type: ignore[arg-type]


BYBIT = "timestamp,symbol,side,size,price,tickDirection,trdMatchID,grossValue,homeNotional,foreignNotional"


def test_bybit_contracts(tmp_path: Path) -> None:
    uuids = ("48a44029-40dc-5dce-8deb-42882580a7ab", "f94f18f9-4bc4-5530-87ee-d067f8267a62")
    file = gzipped(
        tmp_path / "BTCUSDT2024-08-08.csv.gz",
        [
            f"{BYBIT},RPI",
            f"1723075200.2296,BTCUSDT,Sell,0.001,55012.50,ZeroMinusTick,{uuids[0]},5.5e+09,0.001,55.0125,0",
            f"1723075201.1,BTCUSDT,Buy,1.25,55012.60,PlusTick,{uuids[1]},6.8e+12,1.25,68765.75,1",
        ],
    )
    given = {"venue": "bybit", "symbol": "BTC/USDT:USDT", "tick": "0.1", "lot": "0.001", "root": tmp_path}
    assert import_(file, **given).passed  # type: ignore[arg-type]
    first, second = stored(tmp_path, venue="bybit")
    assert columns([first, second], "venue_ns", "ticks", "lots", "side", "flags") == [
        (T0 + 229_600_000, 550_125, 1, -1, 0),
        (T0 + 1_100_000_000, 550_126, 1_250, 1, 8),
    ]
    assert first["trade_id"] < 0, "it is no number of the venue's"
    again = import_(file, **given)  # type: ignore[arg-type]
    assert (again.rows_added, again.passed) == (0, True)


@pytest.mark.parametrize("falling", [False, True])
def test_bybit_trades_of_one_moment_keep_their_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, falling: bool
) -> None:
    """An order that takes ten levels: its last price is the last."""
    # So small that a moment's rows lie in two blocks.
    monkeypatch.setattr("contractdesk.history.csv_rows.BLOCK_BYTES", 1_500)
    rows = [
        f"{1723075200.1 + moment:.4f},BTCUSDT,Buy,0.001,{60_000 + moment + level / 10:.1f},PlusTick,"
        f"{uuid5(NAMESPACE_URL, str((moment, level)))},1,0.001,60"
        for moment in range(3)
        for level in range(10)
    ]
    rows.insert(15, rows[14])  # told twice
    file = gzipped(tmp_path / "BTCUSDT2024-08-08.csv.gz", [BYBIT, *(rows[::-1] if falling else rows)])
    given = {"venue": "bybit", "symbol": "BTC/USDT:USDT", "tick": "0.1", "lot": "0.001", "root": tmp_path}
    report = import_(file, **given)  # type: ignore[arg-type]
    assert report.count(FindingKind.DUPLICATE_ID) == 1
    assert [row["ticks"] for row in stored(tmp_path, venue="bybit")] == [
        600_000 + 10 * moment + level for moment in range(3) for level in range(10)
    ]
    assert import_(file, **given).rows_added == 0  # type: ignore[arg-type]


def test_bybit_spot_and_rows_of_other_contracts(tmp_path: Path) -> None:
    spot = gzipped(
        tmp_path / "BTCUSDT_2024-08-08.csv.gz",
        [
            "id,timestamp,price,volume,side,rpi",
            f"1,{T0_MS},55012.5,0.003718,sell,0",
            f"2,{T0_MS},55012.5,0.0005,buy,1",
        ],
    )
    given = {"venue": "bybit", "symbol": "BTC/USDT", "tick": "0.1", "lot": "0.000001", "root": tmp_path}
    assert import_(spot, **given).passed  # type: ignore[arg-type]
    assert columns(stored(tmp_path, "BTC/USDT", venue="bybit"), "trade_id", "lots", "side", "flags") == [
        (1, 3_718, -1, 0),
        (2, 500, 1, 8),
    ]
    row = "1723075200.5,ETHUSDT,Buy,1,2500,PlusTick,48a44029-40dc-5dce-8deb-42882580a7ab,1,1,2500"
    other = gzipped(tmp_path / "ETHUSDT2024-08-08.csv.gz", [BYBIT, row])
    report = import_(other, **given | {"symbol": "BTC/USDT:USDT"})  # type: ignore[arg-type]
    assert (report.rows_read, report.count(FindingKind.LEFT_OUT)) == (0, 1)


@pytest.mark.parametrize(
    ("encoding", "lines"),
    [
        (
            "utf-8",
            [
                "instrument_name,trade_id,side,price,size,created_time,source",
                f"BTC-USDT-SWAP,2885385355,sell,78542.2,14.07,{T0_MS},0",
                f"ETH-USDT-SWAP,1,buy,2500.1,3,{T0_MS},0",
                f"BTC-USDT-SWAP,2885385356,buy,78542.3,0.01,{T0_MS + 21},1",
            ],
        ),
        (
            "gbk",
            [
                "trade_id/撮合id,side/交易方向,size/数量,price/价格,created_time/成交时间",
                f"2885385355,sell,14.07,78542.2,{T0_MS}",
                f"2885385356,buy,0.01,78542.3,{T0_MS + 21}",
            ],
        ),
        ("utf-8", [f"2885385355,SELL,14.07,78542.2,{T0_MS}", f"2885385356,BUY,0.01,78542.3,{T0_MS + 21}"]),
    ],
    ids=["since 2025", "2022, Chinese header", "before 2022, none"],
)
def test_okx_of_all_years(tmp_path: Path, encoding: str, lines: list[str]) -> None:
    file = zipped(tmp_path / "BTC-USDT-SWAP-trades-2024-08-08.zip", lines, encoding)
    given = {"venue": "okx", "symbol": "BTC/USDT:USDT", "tick": "0.1", "lot": "0.01", "root": tmp_path}
    given["contract_size"] = "0.01"
    report = import_(file, **given)  # type: ignore[arg-type]
    assert (report.passed, report.rows_added) == (True, 2)
    found = columns(stored(tmp_path, venue="okx"), "venue_ns", "trade_id", "ticks", "lots", "side")
    assert found == [
        (T0, 2_885_385_355, 785_422, 1_407, -1),
        (T0 + 21 * 10**6, 2_885_385_356, 785_423, 1, 1),
    ]


COIN_M = {"venue": "binance", "symbol": "BTC/USD:BTC"}


@pytest.mark.parametrize("grid", [{}, {"tick": "0.1", "lot": "1"}])
def test_how_much_a_contract_is_has_to_be_said_where_it_is_not_one_unit(
    tmp_path: Path, grid: dict[str, str]
) -> None:
    swap = zipped(
        tmp_path / "BTC-USDT-SWAP-trades-2024-08-08.zip",
        ["instrument_name,trade_id,side,price,size,created_time", f"BTC-USDT-SWAP,1,sell,78542.2,14,{T0_MS}"],
    )
    coin = binance_trades(tmp_path, [binance_trade(1, size="7")])
    swaps = {"venue": "okx", "symbol": "BTC/USDT:USDT"}
    for file, which, size in ((swap, swaps, "0.01"), (coin, COIN_M, "100")):
        with pytest.raises(
            UserError, match="are numbers of contracts, and nothing here says of how much each"
        ):
            check(file, **which, **grid)  # type: ignore[arg-type]
        assert str(check(file, contract_size=size, **which, **grid).terms.contract_size) == size  # type: ignore[arg-type]
        for wrong in ("0", "-1", "nan", "a hundredth"):
            with pytest.raises(UserError, match="must be a positive number"):
                check(file, contract_size=wrong, **which, **grid)  # type: ignore[arg-type]
    spot = zipped(
        tmp_path / "BTC-USDT-trades-2024-08-08.zip",
        ["instrument_name,trade_id,side,price,size,created_time", f"BTC-USDT,1,sell,78542.2,14,{T0_MS}"],
    )
    assert check(spot, venue="okx", symbol="BTC/USDT", **grid).terms.contract_size == 1  # type: ignore[arg-type]


def test_spoilt_cells_and_lines_are_named_and_the_rest_is_stored(tmp_path: Path) -> None:
    rows = [binance_trade(n) for n in range(1, 8)]
    rows[1] = binance_trade(2, price="6180O.30")  # the letter O
    rows[3] = "4,61800.30,0.006"  # cut short
    rows[5] = rows[5].replace("false", "maybe")
    report = import_(binance_trades(tmp_path, rows), root=tmp_path, **BTC)  # type: ignore[arg-type]
    assert {row.row: row.reasons for row in report.quarantined} == {
        2: (FindingKind.CORRUPTED, FindingKind.NON_FINITE_PRICE),
        4: (FindingKind.CORRUPTED,),
        6: (FindingKind.CORRUPTED,),
    }
    assert columns(stored(tmp_path), "trade_id") == [(1,), (3,), (5,), (7,)]
    (spoilt,) = [each for each in report.findings if each.kind is FindingKind.CORRUPTED]
    assert (spoilt.count, spoilt.severity, spoilt.first_row, spoilt.last_row) == (3, Severity.REFUSED, 2, 6)
    assert report.rows_read == 7
    assert report.rows_refused == 3


def test_lines_cut_short_keep_their_numbers_over_many_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_rows, "BLOCK_BYTES", 1 << 12)
    count, cut = 2_000, [1, 70, 71, 72, 73, 700, 1_500, 1_999, 2_000]
    rows = [f"{n},1" if n in cut else binance_trade(n) for n in range(1, count + 1)]
    report = import_(binance_trades(tmp_path, rows), root=tmp_path, **BTC)  # type: ignore[arg-type]
    assert [row.row for row in report.quarantined] == cut
    assert (report.rows_read, report.rows_refused) == (count, len(cut))
    kept = [n for n in range(1, count + 1) if n not in cut]
    assert columns(stored(tmp_path), "trade_id") == [(n,) for n in kept]


def test_a_stamp_that_overflows_is_no_time(tmp_path: Path) -> None:
    rows = [binance_trade(1), binance_trade(2, ms=20_000_000_000_000), binance_trade(3, ms=-5)]
    report = import_(binance_trades(tmp_path, rows), root=tmp_path, **BTC)  # type: ignore[arg-type]
    assert [(row.row, row.reasons) for row in report.quarantined] == [
        (2, (FindingKind.BAD_TIME,)),
        (3, (FindingKind.BAD_TIME,)),
    ]


def test_a_source_without_a_row_is_told(tmp_path: Path) -> None:
    report = import_(binance_trades(tmp_path, []), root=tmp_path, **BTC)  # type: ignore[arg-type]
    (empty,) = report.findings
    assert (empty.kind, empty.severity) == (FindingKind.NO_ROW, Severity.WARNING)
    assert (report.passed, report.days) == (False, ())


def test_files_that_are_none_are_said_in_a_sentence(tmp_path: Path) -> None:
    broken = tmp_path / "BTCUSDT-trades-1.zip"
    broken.write_bytes(b"PK nonsense")
    empty = tmp_path / "BTCUSDT-trades-2.csv"
    empty.touch()
    foreign = tmp_path / "foreign.csv"
    foreign.write_text("date,open,close\n1,2,3\n")
    garbled = tmp_path / "garbled.csv"
    garbled.write_bytes(b"id,price,qty,quote_qty,time,is_buyer_maker\n1,\xff\xfe,1,1,1,true\n")
    for path, told in (
        (foreign, "has no column buyer_made, id, price, size, time"),
        (garbled, "cannot be read"),
        (broken, "cannot be read"),
        (empty, "is empty"),
        (tmp_path / "none.zip", "no file or folder"),
    ):
        with pytest.raises(UserError, match=told):
            import_(path, root=tmp_path, **BTC)  # type: ignore[arg-type]
    with pytest.raises(
        UserError, match="no importer for the dumps of 'gemini'; there are binance, bybit, okx"
    ):
        import_(binance_trades(tmp_path, []), root=tmp_path, **BTC | {"venue": "gemini"})  # type: ignore[arg-type]
