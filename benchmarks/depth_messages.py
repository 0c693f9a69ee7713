"""Depth messages to measure with: the recording of 2023-04-05 where it is, else generated ones."""

from __future__ import annotations

import gzip
import json
import os
import random
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

RECORDINGS = Path(
    os.environ.get("CONTRACTDESK_DATA", Path(__file__).resolve().parents[2] / "shared" / "data")
)
FILES = ("binance_usdm_btcusdt_20230404.gz", "binance_usdm_btcusdt_20230405.gz")

Side = dict[int, int]  # tick -> lots


class Messages(NamedTuple):
    """A REST snapshot and the depth pushes that continue it, as the socket delivers them."""

    source: str
    snapshot: dict
    frames: list[bytes]


def load(most: int, *, generated: bool) -> list[Messages]:
    """At most ``most`` pushes of BTCUSDT (tick 0.1, lot 0.001): as recorded, and as the desk gets them."""
    folder = RECORDINGS / "ws" / "binance_raw"
    if generated or not (folder / FILES[0]).exists():
        return [generate(most)]
    messages = recorded(folder, most)
    return [messages, merged(messages)]


def recorded(folder: Path, most: int) -> Messages:
    snapshot: dict = {}
    frames: list[bytes] = []
    lines = (line for name in FILES for line in gzip.decompress((folder / name).read_bytes()).splitlines())
    for line in lines:
        frame = line.split(b" ", 1)[1]
        if b'"lastUpdateId"' in frame:
            snapshot = json.loads(frame)
        elif b'"depthUpdate"' in frame:
            frames.append(frame)
    fresh = (
        i for i, frame in enumerate(frames) if json.loads(frame)["data"]["u"] >= snapshot["lastUpdateId"]
    )
    first = next(fresh)
    return Messages("recording of BTCUSDT perpetual, 2023-04-05, depth@0ms", snapshot, frames[first:][:most])


def merged(messages: Messages, interval_ms: int = 100) -> Messages:
    """The pushes of each interval as the one that the venue's slower stream sends instead."""
    pushes = (json.loads(frame)["data"] for frame in messages.frames)
    frames = []
    for _, group in groupby(pushes, key=lambda push: push["E"] // interval_ms):
        parts = list(group)
        sides = {
            side: list({level[0]: level for part in parts for level in part[side]}.values())
            for side in ("b", "a")
        }
        data = {**parts[-1], "U": parts[0]["U"], "pu": parts[0]["pu"], **sides}
        stream = {"stream": "btcusdt@depth@100ms", "data": data}
        frames.append(json.dumps(stream, separators=(",", ":")).encode())
    return Messages("the same, merged to depth@100ms", messages.snapshot, frames)


def generate(count: int, seed: int = 11) -> Messages:
    """A book of 1000 levels a side around a random walk; 20 to 60 levels change in a push, mostly near."""
    rng = random.Random(seed)  # noqa: S311  (a market, not a secret)
    middle = 600_000
    bids = {middle - i: rng.randint(1, 5_000) for i in range(1, 2_001) if i < 30 or rng.random() < 0.5}
    asks = {middle + i: rng.randint(1, 5_000) for i in range(2_000) if i < 30 or rng.random() < 0.5}
    update, start_ms = 5_000_000_000, 1_717_200_000_000
    snapshot = {
        "lastUpdateId": update,
        "E": start_ms,
        "T": start_ms,
        "bids": rows(sorted(bids.items(), reverse=True)),
        "asks": rows(sorted(asks.items())),
    }
    frames = []
    for number in range(count):
        middle += rng.choice((0, 0, 0, -2, -1, 1, 2))
        changes = changed(rng, bids, middle, -1), changed(rng, asks, middle, 1)
        last = update + rng.randint(30, 400)
        frames.append(push(start_ms + 100 * number, update, last, changes))
        update = last
    return Messages("generated BTCUSDT book, 20 to 60 levels a push", snapshot, frames)


def changed(rng: random.Random, side: Side, middle: int, sign: int) -> Side:
    """Change one side: what the price ran over is gone, the touch stands, some levels move."""
    edge = middle if sign > 0 else middle - 1
    changes = dict.fromkeys((tick for tick in range(edge - 8 * sign, edge, sign) if tick in side), 0)
    changes[edge] = rng.randint(1, 5_000)
    for _ in range(rng.randint(10, 30)):
        tick = edge + sign * min(1 + int(rng.expovariate(0.03)), 1_500)
        changes[tick] = 0 if tick in side and rng.random() < 0.4 else rng.randint(1, 5_000)
    side.update(changes)
    for tick in [tick for tick, lots in changes.items() if not lots]:
        del side[tick]
    return changes


def push(ms: int, previous: int, last: int, changes: tuple[Side, Side]) -> bytes:
    bids, asks = (rows(sorted(side.items())) for side in changes)
    data = {"e": "depthUpdate", "E": ms, "T": ms - 4, "s": "BTCUSDT",
            "U": previous + 1, "u": last, "pu": previous, "b": bids, "a": asks}  # fmt: skip
    return json.dumps({"stream": "btcusdt@depth@100ms", "data": data}, separators=(",", ":")).encode()


def rows(levels: list[tuple[int, int]]) -> list[list[str]]:
    return [[f"{tick // 10}.{tick % 10}0", f"{lots // 1000}.{lots % 1000:03d}"] for tick, lots in levels]
