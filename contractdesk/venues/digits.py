"""Decimal digits, eight at a time: parts of compiled scanners.

Eight characters are read as one little-endian word; all are digits exactly when no byte of
``word ^ "00000000"`` exceeds 9, and three multiplications turn them into a number (D. Lemire,
"Quickly parsing eight digits", 2018).
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from numba import types

from contractdesk.domain.compiled import intrinsic, part

BAD = -1
MOST_DIGITS = 18  # what surely fits an int64
POWERS = 10 ** np.arange(MOST_DIGITS + 1)
QUOTE, DOT = b'".'

WORDS = cast("Any", types.CPointer)(types.uint64)
_U = np.uint64
ZEROS, ABOVE_NINE, HIGH_BITS = _U(0x3030303030303030), _U(0x7676767676767676), _U(0x8080808080808080)
ONE, TEN, HUNDRED, MYRIAD = _U(1), _U(10), _U(100), _U(10_000)
ONE_BYTE, TWO_BYTES, FOUR_BYTES = _U(8), _U(16), _U(32)
PAIRS, QUADS, LOW_HALF = _U(0x00FF00FF00FF00FF), _U(0x0000FFFF0000FFFF), _U(0xFFFFFFFF)


@intrinsic
def _load(_typing: Any, text: Any, place: Any) -> Any:
    """The 8 bytes from ``place`` on, wherever that is."""

    def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        address = builder.bitcast(builder.gep(arguments[0], [arguments[1]]), context.get_value_type(WORDS))
        return builder.load(address, align=1)

    return types.uint64(text, place), generate


@intrinsic
def _trailing_zeros(_typing: Any, word: Any) -> Any:
    """How many low bits of a word are 0; the word is not."""

    def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], context.get_constant(types.boolean, 1))

    return types.int64(word), generate


@part
def _word(text: bytes, size: int, i: int) -> Any:
    """Eight characters less "0" each; what lies behind the end is no digit."""
    if i + 8 <= size:
        return _load(text, i) ^ ZEROS
    word = _U(0)
    for k in range(min(8, size - i)):
        word |= _U(text[i + k]) << _U(8 * k)
    return word ^ ZEROS


@part
def _leading(word: Any) -> int:
    """How many of the first characters are digits."""
    marks = ((word + ABOVE_NINE) | word) & HIGH_BITS
    return 8 if marks == _U(0) else _trailing_zeros(marks) >> 3


@part
def _number(word: Any, count: int) -> Any:
    """The first ``count`` (1 to 8) digits of a word as a number."""
    word <<= _U(64 - 8 * count)
    word = (word * TEN + (word >> ONE_BYTE)) & PAIRS
    word = (word * HUNDRED + (word >> TWO_BYTES)) & QUADS
    return np.int64((word * MYRIAD + (word >> FOUR_BYTES)) & LOW_HALF)


@part
def _short(text: bytes, size: int, i: int, decimals: int) -> tuple[int, int]:
    """A number such as 28145.10: digits, a dot, digits, in 8 characters at most; BAD for any other."""
    word = _word(text, size, i)
    marks = ((word + ABOVE_NINE) | word) & HIGH_BITS
    later = marks & (marks - _U(1))
    if marks == _U(0):
        return 0, BAD
    dot = _trailing_zeros(marks) >> 3
    end = 8 if later == _U(0) else _trailing_zeros(later) >> 3
    places = end - dot - 1
    excess = places - decimals
    if dot == 0 or places == 0 or text[i + dot] != DOT:
        return 0, BAD
    before = (ONE << _U(8 * dot)) - ONE
    digits = (word & before) | ((word >> ONE_BYTE) & ~before)
    if excess <= 0:
        return _number(digits, end - 1) * POWERS[-excess], i + end
    if (digits << _U(72 - 8 * end)) >> _U(64 - 8 * excess) != _U(0):
        return 0, BAD
    return _number(digits, end - 1 - excess), i + end


@part
def whole(text: bytes, size: int, i: int) -> tuple[int, int]:
    """The digits from ``i`` on as a number, and the place behind them."""
    value = 0
    while True:
        word = _word(text, size, i)
        count = _leading(word)
        if count > 0:
            value = value * POWERS[count] + _number(word, count)
        i += count
        if count < 8:
            return value, i


@part
def fraction(text: bytes, size: int, i: int, decimals: int) -> tuple[int, int]:
    """Up to 8 digits from ``i`` on in units of 10^-decimals, exact; the place behind them, or BAD."""
    word = _word(text, size, i)
    count = _leading(word)
    kept = min(count, decimals)
    if count == 0 or (count > kept and (word << _U(64 - 8 * count)) >> _U(64 - 8 * (count - kept)) != _U(0)):
        return 0, BAD
    value = _number(word, kept) if kept > 0 else 0
    return value * POWERS[decimals - kept], i + count


@part
def _long(text: bytes, size: int, i: int, decimals: int) -> tuple[int, int]:
    """A number of any length; the place behind it, or BAD."""
    value, end = whole(text, size, i)
    digits = end - i
    if digits == 0 or digits + decimals > MOST_DIGITS:
        return 0, BAD
    value *= POWERS[decimals]
    if text[end] == DOT:
        rest, end = fraction(text, size, end + 1, decimals)
        value += rest
    return value, end


@part
def quoted_decimal(text: bytes, size: int, i: int, decimals: int) -> tuple[int, int]:
    """A quoted unsigned decimal in units of 10^-decimals, exact; the place behind it, or BAD."""
    if text[i] != QUOTE:
        return 0, BAD
    value, end = _short(text, size, i + 1, decimals)
    if end == BAD or text[end] != QUOTE:
        value, end = _long(text, size, i + 1, decimals)
    return value, end + 1 if end != BAD and text[end] == QUOTE else BAD
