"""Client order ids: ``cd`` + bot(4) + epoch(3) + sequence(7) + role(1) + attempt(1) + check(1).

19 lower-case alphanumeric characters, which every venue accepts; a sequence number is never used
twice in an epoch, so that an id names one order for ever.
"""

from __future__ import annotations

from functools import lru_cache
from operator import mul

from msgspec import Struct

from contractdesk.domain.orders import OrderRole

PREFIX = "cd"
DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base32: no i, l, o, u
LENGTH = 19
_EPOCH_DIGITS, _SEQUENCE_DIGITS = 3, 7
# From here on: the guardian's. No desk counts so far, which may begin the same epoch where the disk has not
# taken the guardian's.
GUARDIAN = 32**_SEQUENCE_DIGITS // 2
NEVER_SENT = GUARDIAN + GUARDIAN // 2  # from here on: of repetitions that strayed, which no venue has seen
_BASE36 = "0123456789abcdefghijklmnopqrstuvwxyz"
_WEIGHTS = (1, 5, 7, 11, 13, 17, 19, 23, 25, 29, 31, 35) * 2  # over 18 letters
_VALUES = {letter: int(letter, 36) for letter in _BASE36 + _BASE36.upper()}


class ClientId(Struct, frozen=True, kw_only=True):
    """The parts of one of our ids."""

    bot: str
    epoch: int
    sequence: int
    role: OrderRole
    attempt: int


def make(bot: str, epoch: int, sequence: int, role: OrderRole, attempt: int = 0) -> str:
    """The id of one order; ``ValueError`` when a part does not fit its place. Epochs go round."""
    head = _head(bot, epoch)
    body = head + _encode(sequence, _SEQUENCE_DIGITS) + role.value + _encode(attempt, 1)
    return body + _check(body)


@lru_cache(maxsize=8)
def _head(bot: str, epoch: int) -> str:
    """What all ids of an epoch begin with."""
    if len(bot) != 4 or not bot.isascii() or not bot.isalnum():
        raise ValueError(f"bot {bot!r} must be 4 letters or digits")
    return PREFIX + bot + _encode(epoch % 32**_EPOCH_DIGITS, _EPOCH_DIGITS)


def parse(client_id: str) -> ClientId | None:
    """The parts of an id of this scheme; None for anybody else's."""
    body, check = client_id[:-1], client_id[-1:]
    if len(client_id) != LENGTH or not body.startswith(PREFIX) or not (body.isascii() and body.isalnum()):
        return None
    if _check(body) != check:
        return None
    try:
        return ClientId(
            bot=body[2:6],
            epoch=_decode(body[6:9]),
            sequence=_decode(body[9:16]),
            role=OrderRole(body[16]),
            attempt=_decode(body[17]),
        )
    except ValueError:
        return None


def never_sent(client_id: str) -> bool:
    """True for what a repetition has made up, and nobody has ever sent."""
    parsed = parse(client_id)
    return parsed is not None and parsed.sequence >= NEVER_SENT


def is_own(client_id: str, bot: str) -> bool:
    """True when the id begins as every id of this bot does."""
    return client_id.startswith(PREFIX + bot)


def _encode(number: int, digits: int) -> str:
    if not 0 <= number < 32**digits:
        raise ValueError(f"{number} does not fit {digits} base32 digits")
    text = ""
    for _ in range(digits):
        text = DIGITS[number & 31] + text
        number >>= 5
    return text


def _decode(text: str) -> int:
    number = 0
    for letter in text:
        number = number << 5 | DIGITS.index(letter)
    return number


def _check(body: str) -> str:
    """One character of base 36 that every single wrong character changes: the weights are coprime to it."""
    return _BASE36[sum(map(mul, _WEIGHTS, map(_VALUES.__getitem__, body))) % 36]
