"""The compiled scanner of depth frames: one pass over compact JSON, no objects made.

It understands the one-level objects in which Binance, Bybit and OKX push books, keys matched by
content and in any order, unknown scalars skipped. Whatever else it meets (white space, escapes,
nested unknowns, repeated keys, numbers off the grid) it reports as not understood. A ``bytes``
object ends with a NUL that is not part of it: every loop stops there at the latest.
"""

from __future__ import annotations

import numpy as np

from contractdesk.domain.compiled import BYTES, INT, ROW, Ints, kernel, part

# Bits of what was seen, and the places of the values in ``memo``:
KIND, FIRST_ID, LAST_ID, PREV_ID, EVENT_MS, MATCH_MS, BIDS, ASKS, SYMBOL = range(9)
# Bids and asks are places of ``memo`` themselves, where their levels begin; here is where they end:
BIDS_END, ASKS_END = 8, 9
RESULTS = 10
# What the caller has put into ``memo``: decimals kept of prices and sizes, tick and lot in units of
# them, fields of a level, and the symbol: its length and its bytes.
PRICE_DECIMALS, TICK, SIZE_DECIMALS, LOT, FIELDS, SYMBOL_LENGTH, SYMBOL_BYTES = range(10, 17)
LEVELS = 64  # levels are written from here on, two places each
LONGEST_SYMBOL = LEVELS - SYMBOL_BYTES

BAD = -1
MOST_DIGITS = 18  # what surely fits an int64
POWERS = 10 ** np.arange(MOST_DIGITS + 1)
QUOTE, COMMA, MINUS, DOT, ZERO, NINE, COLON, BACKSLASH = b'",-.09:\\'
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


def _table(values: dict[bytes, int]) -> Ints:
    """A row for each text: its value, its length, its bytes."""
    longest = max(map(len, values))
    return np.array([(value, len(text), *text.ljust(longest)) for text, value in values.items()])


KEYS, KINDS, LITERALS = map(_table, (_KEYS, _KINDS, _LITERALS))


@part
def _behind_text(raw: bytes, i: int) -> int:
    """From behind an opening quote to behind the closing one, or BAD."""
    while raw[i] != QUOTE:
        if raw[i] < SPACE or raw[i] == BACKSLASH:
            return BAD
        i += 1
    return i + 1


@part
def _lookup(raw: bytes, start: int, end: int, table: Ints) -> int:
    """The value of the text between the two places; UNKNOWN where the table has none."""
    for row in range(len(table)):
        if table[row, 1] == end - start:
            same = 0
            while start + same < end and raw[start + same] == table[row, 2 + same]:
                same += 1
            if start + same == end:
                return int(table[row, 0])
    return UNKNOWN


@part
def _integer(raw: bytes, i: int) -> tuple[int, int]:
    """An integer, bare or quoted; the place behind it, or BAD."""
    quoted = raw[i] == QUOTE
    i += quoted
    negative = raw[i] == MINUS
    i += negative
    start, value = i, 0
    while ZERO <= raw[i] <= NINE:
        value = value * 10 + (raw[i] - ZERO)
        i += 1
    digits = i - start
    if digits == 0 or digits > MOST_DIGITS or (raw[start] == ZERO and digits > 1):
        return 0, BAD
    if quoted:
        if raw[i] != QUOTE:
            return 0, BAD
        i += 1
    return -value if negative else value, i


@part
def _quoted_decimal(raw: bytes, i: int, decimals: int) -> tuple[int, int]:
    """A quoted unsigned decimal in units of 10^-decimals, exact; the place behind it, or BAD."""
    if raw[i] != QUOTE:
        return 0, BAD
    i += 1
    start, value, room = i, 0, decimals
    while ZERO <= raw[i] <= NINE:
        value = value * 10 + (raw[i] - ZERO)
        i += 1
    whole = i - start
    if whole == 0 or whole + decimals > MOST_DIGITS:
        return 0, BAD
    if raw[i] == DOT:
        i += 1
        start = i
        while ZERO <= raw[i] <= NINE:
            if room > 0:
                value = value * 10 + (raw[i] - ZERO)
                room -= 1
            elif raw[i] != ZERO:
                return 0, BAD
            i += 1
        if i == start:
            return 0, BAD
    return value * POWERS[room], i + 1 if raw[i] == QUOTE else BAD


@part
def _on_grid(value: int, step: int) -> int:
    """The value in steps, or BAD."""
    if step == 1:
        return value
    return value // step if value % step == 0 else BAD


@part
def _level(raw: bytes, i: int, memo: Ints) -> tuple[int, int, int]:
    """One level from behind its bracket: ticks, lots, and the place behind the closing one or BAD."""
    price, i = _quoted_decimal(raw, i, memo[PRICE_DECIMALS])
    if i == BAD or raw[i] != COMMA:
        return 0, 0, BAD
    size, i = _quoted_decimal(raw, i + 1, memo[SIZE_DECIMALS])
    for _ in range(2, memo[FIELDS]):
        if i == BAD or raw[i] != COMMA or raw[i + 1] != QUOTE:
            return 0, 0, BAD
        i = _behind_text(raw, i + 2)
    ticks, lots = _on_grid(price, memo[TICK]), _on_grid(size, memo[LOT])
    if i == BAD or raw[i] != CLOSE_LIST or ticks == BAD or lots == BAD:
        return 0, 0, BAD
    return ticks, lots, i + 1


@part
def _levels(raw: bytes, i: int, memo: Ints, free: int) -> tuple[int, int]:
    """A list of levels, written from ``free`` on; the next free place, and that behind the list or BAD."""
    if raw[i] == OPEN_LIST and raw[i + 1] == CLOSE_LIST:
        return free, i + 2
    separator = OPEN_LIST
    while raw[i] == separator:
        if raw[i + 1] != OPEN_LIST:
            return free, BAD
        memo[free], memo[free + 1], i = _level(raw, i + 2, memo)
        if i == BAD:
            return free, BAD
        free += 2
        separator = COMMA
    return free, i + 1 if raw[i] == CLOSE_LIST else BAD


@part
def _symbol(raw: bytes, i: int, memo: Ints) -> int:
    """The place behind the quoted symbol that is expected, or BAD."""
    if raw[i] != QUOTE:
        return BAD
    i += 1
    for k in range(SYMBOL_BYTES, SYMBOL_BYTES + memo[SYMBOL_LENGTH]):
        if raw[i] != memo[k]:
            return BAD
        i += 1
    return i + 1 if raw[i] == QUOTE else BAD


@part
def _kind(raw: bytes, i: int) -> tuple[int, int]:
    """1 for a snapshot, 0 for a delta; the place behind the word, or BAD."""
    behind = _behind_text(raw, i + 1) if raw[i] == QUOTE else BAD
    kind = _lookup(raw, i + 1, behind - 1, KINDS) if behind != BAD else UNKNOWN
    return kind, behind if kind != UNKNOWN else BAD


@part
def _skip(raw: bytes, i: int) -> int:
    """Behind a string, an integer, true, false or null; BAD for anything else."""
    if raw[i] == QUOTE:
        return _behind_text(raw, i + 1)
    if LOWER_A <= raw[i] <= LOWER_Z:
        start = i
        while LOWER_A <= raw[i] <= LOWER_Z:
            i += 1
        return i if _lookup(raw, start, i, LITERALS) != UNKNOWN else BAD
    return _integer(raw, i)[1]


@part
def _key(raw: bytes, i: int) -> tuple[int, int]:
    """What a key means, and the place of its value or BAD."""
    behind = _behind_text(raw, i + 1) if raw[i] == QUOTE else BAD
    if behind == BAD or raw[behind] != COLON:
        return UNKNOWN, BAD
    return _lookup(raw, i + 1, behind - 1, KEYS), behind + 1


@part
def _value(raw: bytes, i: int, slot: int, memo: Ints, free: int) -> tuple[int, int]:
    """Read the value of ``slot``; the next free place for levels, and the place behind it or BAD."""
    if slot == UNKNOWN:
        return free, _skip(raw, i)
    if slot in (BIDS, ASKS):
        end, behind = _levels(raw, i, memo, free)
        memo[slot], memo[slot + BIDS_END - BIDS] = free, end
        return end, behind
    if slot == SYMBOL:
        return free, _symbol(raw, i, memo)
    memo[slot], behind = _kind(raw, i) if slot == KIND else _integer(raw, i)
    return free, behind


@part
def _inner(raw: bytes, i: int) -> tuple[bool, int]:
    """Enter ``{`` or ``[{``; whether there was a list, and the place of the first key or BAD."""
    in_list = raw[i] == OPEN_LIST
    i += in_list
    return in_list, i + 1 if raw[i] == OPEN_OBJECT else BAD


@part
def _leave(raw: bytes, i: int, in_list: bool) -> int:  # noqa: FBT001  (what ``_inner`` said)
    """Leave ``}`` or ``}]``; the place behind it or BAD."""
    if not in_list:
        return i + 1
    return i + 2 if raw[i + 1] == CLOSE_LIST else BAD


@kernel(INT(BYTES, ROW))
def scan(raw: bytes, memo: Ints) -> int:
    """Read one frame; returns the bits of what was seen, or BAD when it is not understood.

    ``memo`` has two places behind ``LEVELS`` for every 10 bytes of ``raw``.
    """
    memo[:RESULTS] = 0
    seen, free, inside, in_list, i = 0, LEVELS, False, False, 1
    if raw[0] != OPEN_OBJECT:
        return BAD
    while i != BAD:
        slot, i = _key(raw, i)
        if i == BAD or (slot >= 0 and seen >> slot & 1) or (slot == INNER and inside):
            return BAD
        if slot == INNER:
            inside = True
            in_list, i = _inner(raw, i)
            continue
        if slot >= 0:
            seen |= 1 << slot
        free, i = _value(raw, i, slot, memo, free)
        if i != BAD and inside and raw[i] == CLOSE_OBJECT:
            inside = False
            i = _leave(raw, i, in_list)
        if i == BAD or raw[i] == CLOSE_OBJECT:
            break
        i = i + 1 if raw[i] == COMMA else BAD
    return seen if not inside and i == len(raw) - 1 else BAD
