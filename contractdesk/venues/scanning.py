"""The compiled scanner of depth frames: one pass over compact JSON, no objects made.

It understands the one-level objects in which Binance, Bybit and OKX push books, keys matched by
content and in any order, unknown scalars skipped. Whatever else it meets (white space, escapes,
nested unknowns, repeated keys, numbers off the grid) it reports as not understood. A ``bytes``
object ends with a NUL that is not part of it: every loop stops there at the latest.
"""

from __future__ import annotations

import numpy as np

from contractdesk.domain.compiled import BYTES, INT, ROW, Ints, bytes_of, ints_of, kernel, part
from contractdesk.venues.digits import BAD, MOST_DIGITS, quoted_decimal, whole

# Bits of what was seen, and the places of the values in ``memo``:
KIND, FIRST_ID, LAST_ID, PREV_ID, EVENT_MS, MATCH_MS, BIDS, ASKS, SYMBOL = range(9)
# Of bids and asks it is where in memory their levels begin, in bytes; here is where they end:
BIDS_END, ASKS_END = 8, 9
RESULTS = 10
# What the caller has put into ``memo``: decimals kept of prices and sizes, tick and lot in units of
# them, fields of a level, and the symbol: its length and its bytes.
PRICE_DECIMALS, TICK, SIZE_DECIMALS, LOT, FIELDS, SYMBOL_LENGTH, SYMBOL_BYTES = range(10, 17)
OUTER, WRAPPED = 16, 1 << 15
LEVELS = 64  # levels are written from here on, two places each
LONGEST_SYMBOL = LEVELS - SYMBOL_BYTES

QUOTE, COMMA, MINUS, ZERO, COLON, BACKSLASH = b'",-0:\\'
OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT = b"[]{}"
SPACE, LOWER_A, LOWER_Z = b" az"


INNER, UNKNOWN = -2, -3  # keys that hold an object of such keys, and keys of no interest
_KEYS = {
    b"b": BIDS, b"a": ASKS, b"U": FIRST_ID, b"u": LAST_ID, b"pu": PREV_ID, b"E": EVENT_MS, b"T": MATCH_MS,
    b"s": SYMBOL, b"e": KIND, b"data": INNER,  # Binance
    b"ts": EVENT_MS, b"cts": MATCH_MS, b"type": KIND,  # Bybit
    b"bids": BIDS, b"asks": ASKS, b"seqId": LAST_ID, b"prevSeqId": PREV_ID, b"action": KIND,
    b"instId": SYMBOL, b"arg": INNER,  # OKX
}  # fmt: skip
_KINDS = {b"depthUpdate": 0, b"delta": 0, b"update": 0, b"snapshot": 1}
_LITERALS = {b"true": 0, b"false": 0, b"null": 0}


WIDTH = 16  # of the rows of these tables


def _table(values: dict[bytes, int]) -> Ints:
    """A row for each text: its value, its length, its bytes."""
    return np.array([(value, len(text), *text.ljust(WIDTH - 2)) for text, value in values.items()])


KINDS, LITERALS = _table(_KINDS), _table(_LITERALS)
LONG_KEYS = _table({key: slot for key, slot in _KEYS.items() if len(key) > 1})
LETTERS = np.array([_KEYS.get(bytes([byte]), UNKNOWN) for byte in range(256)])  # keys of one byte


@part
def _behind_text(text: bytes, i: int) -> int:
    """From behind an opening quote to behind the closing one, or BAD."""
    while text[i] != QUOTE:
        if text[i] < SPACE or text[i] == BACKSLASH:
            return BAD
        i += 1
    return i + 1


@part
def _lookup(text: bytes, start: int, end: int, table: Ints, rows: int) -> int:
    """The value of what stands between the two places; UNKNOWN where the table has none."""
    for row in range(0, rows * WIDTH, WIDTH):
        if table[row + 1] == end - start:
            same = 0
            while start + same < end and text[start + same] == table[row + 2 + same]:
                same += 1
            if start + same == end:
                return int(table[row])
    return UNKNOWN


@part
def _integer(text: bytes, size: int, i: int) -> tuple[int, int]:
    """An integer, bare or quoted; the place behind it, or BAD."""
    quoted = text[i] == QUOTE
    i += quoted
    negative = text[i] == MINUS
    i += negative
    value, end = whole(text, size, i)
    digits = end - i
    if digits == 0 or digits > MOST_DIGITS or (text[i] == ZERO and digits > 1):
        return 0, BAD
    if quoted:
        if text[end] != QUOTE:
            return 0, BAD
        end += 1
    return -value if negative else value, end


@part
def _on_grid(value: int, step: int) -> int:
    """The value in steps, or BAD."""
    if step == 1:
        return value
    return value // step if value % step == 0 else BAD


@part
def _level(text: bytes, size: int, i: int, memo: Ints) -> tuple[int, int, int]:
    """One level from behind its bracket: ticks, lots, and the place behind the closing one or BAD."""
    price, i = quoted_decimal(text, size, i, memo[PRICE_DECIMALS])
    if i == BAD or text[i] != COMMA:
        return 0, 0, BAD
    amount, i = quoted_decimal(text, size, i + 1, memo[SIZE_DECIMALS])
    for _ in range(2, memo[FIELDS]):
        if i == BAD or text[i] != COMMA or text[i + 1] != QUOTE:
            return 0, 0, BAD
        i = _behind_text(text, i + 2)
    ticks, lots = _on_grid(price, memo[TICK]), _on_grid(amount, memo[LOT])
    if i == BAD or text[i] != CLOSE_LIST or ticks <= 0 or lots < 0:  # BAD is negative, too
        return 0, 0, BAD
    return ticks, lots, i + 1


@part
def _levels(text: bytes, size: int, i: int, memo: Ints, free: int) -> tuple[int, int]:
    """A list of levels, written from ``free`` on; the next free place, and that behind the list or BAD."""
    if text[i] == OPEN_LIST and text[i + 1] == CLOSE_LIST:
        return free, i + 2
    separator = OPEN_LIST
    while text[i] == separator:
        if text[i + 1] != OPEN_LIST:
            return free, BAD
        memo[free], memo[free + 1], i = _level(text, size, i + 2, memo)
        if i == BAD:
            return free, BAD
        free += 2
        separator = COMMA
    return free, i + 1 if text[i] == CLOSE_LIST else BAD


@part
def _symbol(text: bytes, i: int, memo: Ints) -> int:
    """The place behind the quoted symbol that is expected, or BAD."""
    if text[i] != QUOTE:
        return BAD
    i += 1
    for k in range(SYMBOL_BYTES, SYMBOL_BYTES + memo[SYMBOL_LENGTH]):
        if text[i] != memo[k]:
            return BAD
        i += 1
    return i + 1 if text[i] == QUOTE else BAD


@part
def _kind(text: bytes, i: int) -> tuple[int, int]:
    """1 for a snapshot, 0 for a delta; the place behind the word, or BAD."""
    behind = _behind_text(text, i + 1) if text[i] == QUOTE else BAD
    kind = _lookup(text, i + 1, behind - 1, ints_of(KINDS), len(KINDS)) if behind != BAD else UNKNOWN
    return kind, behind if kind != UNKNOWN else BAD


@part
def _skip(text: bytes, size: int, i: int) -> int:
    """Behind a string, an integer, true, false or null; BAD for anything else."""
    if text[i] == QUOTE:
        return _behind_text(text, i + 1)
    if LOWER_A <= text[i] <= LOWER_Z:
        start = i
        while LOWER_A <= text[i] <= LOWER_Z:
            i += 1
        return i if _lookup(text, start, i, ints_of(LITERALS), len(LITERALS)) != UNKNOWN else BAD
    return _integer(text, size, i)[1]


@part
def _key(text: bytes, i: int) -> tuple[int, int]:
    """What a key means, and the place of its value or BAD."""
    behind = _behind_text(text, i + 1) if text[i] == QUOTE else BAD
    if behind == BAD or text[behind] != COLON:
        return UNKNOWN, BAD
    if behind == i + 3:
        return ints_of(LETTERS)[text[i + 1]], behind + 1
    return _lookup(text, i + 1, behind - 1, ints_of(LONG_KEYS), len(LONG_KEYS)), behind + 1


@part
def _value(text: bytes, size: int, i: int, slot: int, memo: Ints, free: int) -> tuple[int, int]:
    """Read the value of ``slot``; the next free place for levels, and the place behind it or BAD."""
    if slot == UNKNOWN:
        return free, _skip(text, size, i)
    if slot in (BIDS, ASKS):
        end, behind = _levels(text, size, i, memo, free)
        memo[slot], memo[slot + BIDS_END - BIDS] = 8 * free, 8 * end
        return end, behind
    if slot == SYMBOL:
        return free, _symbol(text, i, memo)
    memo[slot], behind = _kind(text, i) if slot == KIND else _integer(text, size, i)
    return free, behind


@part
def _inner(text: bytes, i: int) -> tuple[bool, int]:
    """Enter ``{`` or ``[{``; whether there was a list, and the place of the first key or BAD."""
    in_list = text[i] == OPEN_LIST
    i += in_list
    return in_list, i + 1 if text[i] == OPEN_OBJECT else BAD


@part
def _leave(text: bytes, i: int, in_list: bool) -> int:  # noqa: FBT001  (what ``_inner`` said)
    """Leave ``}`` or ``}]``; the place behind it or BAD."""
    if not in_list:
        return i + 1
    return i + 2 if text[i + 1] == CLOSE_LIST else BAD


@kernel(INT(BYTES, ROW))
def scan(frame: bytes, memory: Ints) -> int:
    """Read one frame; returns the bits of what was seen, or BAD when it is not understood.

    In a frame with inner objects, what stands outside of them has its bits ``OUTER`` higher.

    ``memory`` has two places behind ``LEVELS`` for every 10 bytes of ``frame``.
    """
    text, size, memo = bytes_of(frame), len(frame), ints_of(memory)
    for result in range(RESULTS):
        memo[result] = 0
    outer, inner, free, inside, in_list, i = 0, 0, LEVELS, False, False, 1
    if text[0] != OPEN_OBJECT:
        return BAD
    while i != BAD:
        slot, i = _key(text, i)
        if i == BAD or (slot >= 0 and (outer | inner) >> slot & 1) or (slot == INNER and inside):
            return BAD
        if slot == INNER:
            inside, inner = True, inner | WRAPPED
            in_list, i = _inner(text, i)
            continue
        if slot >= 0:
            outer, inner = (outer, inner | 1 << slot) if inside else (outer | 1 << slot, inner)
        free, i = _value(text, size, i, slot, memo, free)
        if i != BAD and inside and text[i] == CLOSE_OBJECT:
            inside = False
            i = _leave(text, i, in_list)
        if i == BAD or text[i] == CLOSE_OBJECT:
            break
        i = i + 1 if text[i] == COMMA else BAD
    if inside or i != size - 1:
        return BAD
    return outer << OUTER | inner ^ WRAPPED if inner & WRAPPED else outer
