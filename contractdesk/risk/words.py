"""Findings in a person's words: numbers with units, never rounded to the safe side."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from fractions import Fraction

from contractdesk.domain.account import Account
from contractdesk.domain.instrument import Instrument
from contractdesk.domain.intents import Finding
from contractdesk.domain.orders import Order

_COINLIKE_DIGITS, _CASHLIKE_DIGITS = 8, 2
_NAMED = 3  # orders in one sentence; of more the number is said
_CASHLIKE = frozenset({"USD", "USDT", "USDC", "BUSD", "FDUSD", "USDE", "EUR"})


def passed(rule: str, found: str, limit: str, left: str = "") -> Finding:
    """``left`` is how far it is from failing."""
    return Finding(rule=rule, found=found, limit=limit, passed=True, left=left)


def failed(rule: str, found: str, limit: str, advice: str) -> Finding:
    """A finding of a rule that refuses; ``advice`` is what would pass."""
    return Finding(rule=rule, found=found, limit=limit, passed=False, would_pass=advice)


def judged(rule: str, found: str, limit: str, advice: str, *, ok: bool, left: str = "") -> Finding:
    return passed(rule, found, limit, left) if ok else failed(rule, found, limit, advice)


def listed(names: Iterable[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def cancelled(orders: Sequence[Order]) -> str:
    """Which entries would go: "1 entry cancelled (buy 0.01 BTC/USDT:USDT at 59000)"; "" for none."""
    if not orders:
        return ""
    names = [_named(order) for order in orders[:_NAMED]]
    if more := len(orders) - len(names):
        names.append(f"{more} more")
    return f"{len(orders)} {'entry' if len(orders) == 1 else 'entries'} cancelled ({listed(names)})"


def percent(part: Fraction | Decimal, whole: Fraction | Decimal, *, up: bool = True) -> str:
    """``part`` of ``whole``: "3.12 %"; rounded up, so that a breach never reads as the limit."""
    if whole <= 0:
        return "n/a"
    (above, parts), (below, shares) = part.as_integer_ratio(), whole.as_integer_ratio()
    return f"{_rounded(above * shares * 100, parts * below, 2, up=up)} %"


def money(amount: Fraction | Decimal, asset: str, *, up: bool = True) -> str:
    """An amount with its asset: "312.00 USDT", "0.00480000 BTC"."""
    digits = _CASHLIKE_DIGITS if asset in _CASHLIKE else _COINLIKE_DIGITS
    return f"{_rounded(*amount.as_integer_ratio(), digits, up=up)} {asset}"


def number(value: Decimal) -> str:
    """A price or a size without trailing zeros: "0.010" is "0.01", "61000.0" is "61000"."""
    return f"{value.normalize():f}"


def seconds(age_ns: int) -> str:
    """An age: "3.2 s old"."""
    return f"{age_ns / 1e9:.1f} s old"


def left_s(left_ns: int) -> str:
    """A time that is left: "1.8 s"; cut, so that it never reads as more."""
    return f"{max(0, left_ns) // 100_000_000 / 10:.1f} s"


def foreign(rule: str, instrument: Instrument, account: Account, limit: str) -> Finding:
    """The contract settles in another asset than the account's: its risk cannot be measured."""
    found = f"settles in {instrument.settle}, the account is in {account.asset}"
    return failed(rule, found, limit, f"a contract that settles in {account.asset}")


def _named(order: Order) -> str:
    request = order.request
    price = "market" if request.price is None else number(request.price)
    return f"{request.side.value} {number(order.remaining)} {request.symbol} at {price}"


def _rounded(numerator: int, denominator: int, digits: int, *, up: bool) -> Decimal:
    """Their quotient; whole numbers are as exact as Fractions, and quicker."""
    scaled = numerator * 10**digits
    whole = -(-scaled // denominator) if up else scaled // denominator
    return Decimal(whole).scaleb(-digits)
