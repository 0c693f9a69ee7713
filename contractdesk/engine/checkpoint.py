"""The engine's whole state as bytes, and back: the state is structs, so this names what is not.

A checkpoint belongs to the version of the code that made it, and the one before it is read as well: an
update must not forget a halt. Any other is refused: nothing of it is guessed, and the desk does not open.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from contractdesk.domain.book import Book
from contractdesk.engine.state import Desk, Hosted, HostStatus
from contractdesk.errors import StorageError
from contractdesk.strategy.bars import BarSeries, SeriesState

VERSION = 4
BEFORE = 3  # wrote fractions in decimal digits, and read fills from the newest one on


class Versioned(Struct, frozen=True):
    """What every version's checkpoint can be read as."""

    version: int


class Checkpoint(Versioned, frozen=True):
    desk: Desk


class BookState(Struct, frozen=True):
    valid: bool
    update_id: int
    bids: bytes
    asks: bytes


def encode_desk(desk: Desk) -> bytes:
    """The state as msgpack, every dict in its own order: the engine iterates in it."""
    strategies = {key: _plain(hosted) for key, hosted in desk.strategies.items()}
    desk = replace(desk, strategies=strategies, handling=False)
    return msgspec.msgpack.encode(Checkpoint(version=VERSION, desk=desk), enc_hook=_encode)


def decode_desk(data: bytes) -> Desk:
    """The state from a checkpoint; StorageError when it cannot be one of this version."""
    try:
        version = msgspec.msgpack.decode(data, type=Versioned).version
        if version not in (BEFORE, VERSION):
            raise StorageError(f"a checkpoint of version {version}; this contractdesk reads {VERSION}")
        desk = msgspec.msgpack.decode(data, type=Checkpoint, dec_hook=_decode).desk
    except (msgspec.MsgspecError, ValueError, KeyError, TypeError) as exc:
        raise StorageError(f"not a checkpoint of this version of contractdesk: {exc}") from exc
    if version == BEFORE:
        desk.fills_known_ns = desk.last_fill_ns
    return desk


def _plain(hosted: Hosted) -> Hosted:
    """A strategy whose state is not plain values cannot go on elsewhere; the desk can."""
    try:
        memory = msgspec.msgpack.decode(msgspec.msgpack.encode(hosted.memory))
    except (msgspec.MsgspecError, TypeError, ValueError, OverflowError) as exc:
        why = f"its state cannot be kept: {exc}"
        return replace(hosted, memory={}, status=HostStatus.DISABLED, why=why)
    return replace(hosted, memory=memory)


def _encode(value: Any) -> Any:
    match value:
        case Fraction():
            # Not decimal: Python refuses to write 4300 digits, and an exact cost may have more.
            return [hex(value.numerator), hex(value.denominator)]
        case Book():
            bids, asks = value.pack()
            return BookState(value.valid, value.update_id, bids, asks)
        case BarSeries():
            return value.dump()
        case _:
            raise NotImplementedError(f"{type(value).__name__} is no part of a checkpoint")


def _decode(kind: type, value: Any) -> Any:
    if kind is Fraction:
        return Fraction(int(value[0], 0), int(value[1], 0))
    if kind is Book:
        return _book(msgspec.convert(value, BookState))
    if kind is BarSeries:
        return BarSeries.load(msgspec.convert(value, SeriesState))
    raise NotImplementedError(f"{kind.__name__} is no part of a checkpoint")


def _book(state: BookState) -> Book:
    book = Book()
    if state.valid:
        book.apply_snapshot(state.bids, state.asks, state.update_id)
    return book
