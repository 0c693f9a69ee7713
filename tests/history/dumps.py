"""Small dumps in the venues' documented forms, written by the tests."""

from __future__ import annotations

import gzip
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path

T0_MS = 1_723_075_200_000  # 2024-08-08 00:00 UTC
T0 = T0_MS * 10**6
BTC = {"venue": "binance", "symbol": "BTC/USDT:USDT", "tick": "0.1", "lot": "0.001"}


def zipped(path: Path, lines: Iterable[str], encoding: str = "utf-8") -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{path.stem}.csv", ("\n".join(lines) + "\n").encode(encoding))
    return path


def gzipped(path: Path, lines: Iterable[str]) -> Path:
    path.write_bytes(gzip.compress(("\n".join(lines) + "\n").encode()))
    return path


def binance_trade(number: int, price: str = "61800.30", size: str = "0.006", ms: int | None = None) -> str:
    stamp = T0_MS + number * 10 if ms is None else ms
    return f"{number},{price},{size},370.80180,{stamp},{'true' if number % 2 else 'false'}"


def binance_trades(folder: Path, rows: Sequence[str], name: str = "BTCUSDT-trades-2024-08-08.zip") -> Path:
    return zipped(folder / name, ["id,price,qty,quote_qty,time,is_buyer_maker", *rows])
