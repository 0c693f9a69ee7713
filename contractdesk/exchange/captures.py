"""Reading raw captures of Binance's streams: lines of ``<local us or ns> <json>``, gzipped.

The first line that is no stream message is the REST depth snapshot. Several files are one
recording where they continue each other; every gap in the depth sequence is refused.
"""

from __future__ import annotations

import glob
import gzip
from collections.abc import Iterator, Sequence
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import msgspec
from msgspec import Struct

from contractdesk.errors import ConfigError
from contractdesk.exchange.market import Depth, Level, MarkTick, Print
from contractdesk.exchange.terms import Listing
from contractdesk.exchange.words import Side

FIRST_NS = 10**18  # stamps below are microseconds
NS_PER_US = 1_000
NS_PER_MS = 1_000_000
EARLY_DELTAS = 1_000  # how many may precede the snapshot
ON_THE_BOOK = "MARKET"  # the other kinds of trade (insurance fund, ADL) never met the book

Texts = list[tuple[str, str]]


class Frame(NamedTuple):
    """One message at its recorded time; a MarkTick's funding time is recorded time, too."""

    recorded_ns: int
    message: Depth | Print | MarkTick


class _Snapshot(Struct):
    last_update_id: int = msgspec.field(name="lastUpdateId")
    bids: Texts
    asks: Texts


class _Data(Struct, tag_field="e"):
    pass


class _DepthUpdate(_Data, tag="depthUpdate"):
    first_id: int = msgspec.field(name="U")
    last_id: int = msgspec.field(name="u")
    previous_id: int = msgspec.field(name="pu")
    bids: Texts = msgspec.field(name="b")
    asks: Texts = msgspec.field(name="a")


class _Trade(_Data, tag="trade"):
    price: str = msgspec.field(name="p")
    quantity: str = msgspec.field(name="q")
    buyer_is_maker: bool = msgspec.field(name="m")
    kind: str = msgspec.field(name="X", default=ON_THE_BOOK)


class _MarkPrice(_Data, tag="markPriceUpdate"):
    mark: Decimal = msgspec.field(name="p")
    index: Decimal = msgspec.field(name="i")
    rate: Decimal = msgspec.field(name="r")
    next_funding_ms: int = msgspec.field(name="T")


class _Push(Struct):
    data: _DepthUpdate | _Trade | _MarkPrice


_snapshot = msgspec.json.Decoder(_Snapshot)
_push = msgspec.json.Decoder(_Push)


def find(path: str) -> list[Path]:
    """The files of a recording, by name: a file, a pattern, or a folder of ``*.gz``.

    ConfigError where there are none.
    """
    folder = Path(path)
    pattern = str(folder / "*.gz") if folder.is_dir() else path
    found = sorted(Path(name) for name in glob.glob(pattern))  # noqa: PTH207 - the pattern may be absolute
    if not found:
        raise ConfigError(f"no recording at {path}: give a file, a pattern or a folder of .gz captures")
    return found


def recorded_symbol(path: Path) -> str:
    """The venue's symbol, read from the first stream message."""
    for _, _, line in _lines([path]):
        if line.startswith(b'{"stream"'):
            return line[len(b'{"stream":"') : line.index(b"@")].decode().upper()
    raise ConfigError(f"{path} has no stream message")


def frames(paths: Sequence[Path], listing: Listing) -> Iterator[Frame]:
    """Every depth, trade and mark message, in the order in which it was received.

    Reads as it goes; ConfigError for a line that cannot be read, a missing snapshot or a gap.
    """
    reader = _Reader(listing)
    for name, stamp_ns, line in _lines(paths):
        try:
            message = reader.read(line)
        except (msgspec.DecodeError, ValueError) as exc:
            raise ConfigError(f"{name}: unreadable at {stamp_ns}: {exc}: {line[:120]!r}") from exc
        if message is not None:
            yield Frame(stamp_ns, message)


def _lines(paths: Sequence[Path]) -> Iterator[tuple[str, int, bytes]]:
    """(file, nanoseconds, json) of all lines; times never go back."""
    latest = 0
    for path in paths:
        with gzip.open(path, "rb") as file:
            for line in file:
                stamp, _, text = line.partition(b" ")
                stamp_ns = int(stamp)
                stamp_ns = stamp_ns if stamp_ns >= FIRST_NS else stamp_ns * NS_PER_US
                latest = max(latest, stamp_ns)
                yield path.name, latest, text


class _Grid:
    """Turns decimal texts into whole numbers of one step, without ever rounding."""

    def __init__(self, step: Decimal) -> None:
        self._step = Fraction(step)
        self._scales: dict[int, tuple[int, int]] = {}  # by the number of decimals

    def count(self, text: str) -> int:
        whole, _, decimals = text.partition(".")
        scale = self._scales.get(len(decimals)) or self._scale(len(decimals))
        count, rest = divmod(int(whole + decimals) * scale[0], scale[1])
        if rest:
            raise ValueError(f"{text} is not a multiple of {float(self._step)}")
        return count

    def _scale(self, decimals: int) -> tuple[int, int]:
        ratio = 1 / (self._step * 10**decimals)
        self._scales[decimals] = ratio.numerator, ratio.denominator
        return self._scales[decimals]


class _Reader:
    """Decodes line by line and watches the depth sequence."""

    def __init__(self, listing: Listing) -> None:
        self._ticks = _Grid(listing.instrument.tick_size)
        self._lots = _Grid(listing.instrument.lot_size)
        self._last_id = 0
        self._bridged = False
        self._early: list[_DepthUpdate] = []  # came before the snapshot, and may be newer than it

    def read(self, line: bytes) -> Depth | Print | MarkTick | None:
        """The message of a line; None for what the exchange makes itself or does not need."""
        if not line.startswith(b'{"stream"'):
            return self._snapshot(line)
        if b"@bookTicker" in line[:60]:
            return None
        match _push.decode(line).data:
            case _DepthUpdate() as update:
                return self._depth(update)
            case _Trade() as trade:
                return self._print(trade)
            case _MarkPrice() as mark:
                funding_ns = mark.next_funding_ms * NS_PER_MS
                return MarkTick(mark.mark, mark.index, mark.rate, funding_ns)

    def _snapshot(self, line: bytes) -> Depth | None:
        if self._last_id:
            return None  # a later file's own snapshot: the book is complete
        snapshot = _snapshot.decode(line)
        self._last_id = snapshot.last_update_id
        sides = Depth(self._levels(snapshot.bids), self._levels(snapshot.asks))
        newer = [depth for update in self._early if (depth := self._depth(update)) is not None]
        self._early.clear()
        # One message: of a level's several lots the last ones count.
        bids, asks = ([level for depth in (sides, *newer) for level in depth[side]] for side in (0, 1))
        return Depth(bids, asks)

    def _depth(self, update: _DepthUpdate) -> Depth | None:
        if not self._last_id:
            self._early.append(update)
            if len(self._early) > EARLY_DELTAS:
                raise ValueError("no depth snapshot; give the file that this one continues, too")
            return None
        if update.last_id < self._last_id:
            return None  # older than the snapshot
        bridges = not self._bridged and update.first_id <= self._last_id
        if not bridges and update.previous_id != self._last_id:
            raise ValueError(f"gap: {update.previous_id} does not follow {self._last_id}")
        self._bridged = True
        self._last_id = update.last_id
        return Depth(self._levels(update.bids), self._levels(update.asks))

    def _print(self, trade: _Trade) -> Print | None:
        lots = self._lots.count(trade.quantity)
        if trade.kind != ON_THE_BOOK or not lots:
            return None
        return Print(Side.SELL if trade.buyer_is_maker else Side.BUY, self._ticks.count(trade.price), lots)

    def _levels(self, texts: Texts) -> list[Level]:
        ticks, lots = self._ticks.count, self._lots.count
        return [(ticks(price), lots(quantity)) for price, quantity in texts]
