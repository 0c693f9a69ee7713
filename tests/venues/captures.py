"""Reads the raw captures: lines of ``<local time> <json>``, one of them the REST snapshot."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

FOLDER = Path("ws") / "binance_raw"
ACROSS_THE_SETTLEMENT = ("binance_usdm_btcusdt_20230404.gz", "binance_usdm_btcusdt_20230405.gz")
AUGUST_2024 = "binance_usdm_btcusdt_20240808.gz"


def frames(recordings: Path, *names: str) -> Iterator[bytes]:
    """Every message of the captures, in order, as it came."""
    for name in names:
        with gzip.open(recordings / FOLDER / name) as lines:
            for line in lines:
                yield line.split(b" ", 1)[1].strip()


def is_stream(frame: bytes) -> bool:
    return frame.startswith(b'{"stream"')
