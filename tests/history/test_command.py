"""``contractdesk import``: the report in the terminal, an exit code for a scheduler, errors in one line."""

from __future__ import annotations

from pathlib import Path

from contractdesk.history import load
from tests.history.dumps import binance_trade, binance_trades
from tests.test_cli import command


def test_import_stores_reports_and_exits_by_what_was_found(tmp_path: Path) -> None:
    sound = binance_trades(tmp_path, [binance_trade(1), binance_trade(2)])
    spoilt = binance_trades(tmp_path, [binance_trade(3, price="-1.0")], "BTCUSDT-trades-2024-08-09.zip")
    words = ("--venue", "binance", "--symbol", "BTC/USDT:USDT", "--root", str(tmp_path / "store"))
    grid = ("--tick", "0.1", "--lot", "0.001")
    good = command("import", str(sound), *words, *grid)
    assert (good.returncode, good.stdout.splitlines()[0]) == (
        0, "trades of BTC/USDT:USDT on binance: passed; 2 rows read, 2 new, 0 not stored",
    )  # fmt: skip
    bad = command("import", str(sound), str(spoilt), *words, *grid)
    assert bad.returncode == 1
    assert "refused: negative price in BTCUSDT-trades-2024-08-09.zip (row 1" in bad.stdout
    assert len(load("BTC/USDT:USDT", root=tmp_path / "store")) == 2
    wrong = command("import", str(sound), *words, "--kind", "ticks")
    assert wrong.returncode == 2
    assert wrong.stderr.startswith("contractdesk: no kind 'ticks'; there are trades, agg_trades")
