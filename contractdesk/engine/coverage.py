"""Since when is which contract without a stop? Pure arithmetic over the contracts of a position.

Contracts are counted from zero: a stop over ``guarded`` of them covers the first ones. The list is
ascending by level, and its last level is the size of the position when anything is uncovered.
"""

from __future__ import annotations

from decimal import Decimal

from contractdesk.engine.state import Uncovered


def recount(
    uncovered: list[Uncovered], size: Decimal, guarded: Decimal, covered_before: Decimal, now_ns: int
) -> list[Uncovered]:
    """The list after the position has become ``size`` and its stops cover ``guarded`` of it.

    Contracts that were covered before (``covered_before``) and new ones count from now on; those
    that were not keep their time.
    """
    if guarded >= size:
        return []
    kept = [Uncovered(min(item.level, size), item.since_ns) for item in uncovered if item.level > guarded]
    lost_until = min(covered_before, size)
    if lost_until > guarded:
        kept = [item for item in kept if item.level > lost_until]
        kept.insert(0, Uncovered(lost_until, now_ns))
    if not kept or kept[-1].level < size:
        kept.append(Uncovered(size, now_ns))
    return _merged(kept)


def oldest_ns(uncovered: list[Uncovered]) -> int:
    """Since when the longest uncovered contract has been so; 0 when all are covered."""
    return min((item.since_ns for item in uncovered), default=0)


def renewed(uncovered: list[Uncovered], now_ns: int) -> list[Uncovered]:
    """The same contracts, uncovered from now on: for one who could not see them meanwhile."""
    return _merged([Uncovered(item.level, now_ns) for item in uncovered])


def _merged(items: list[Uncovered]) -> list[Uncovered]:
    """One item a level and a time; a size that has shrunk takes the contracts counted last."""
    merged: list[Uncovered] = []
    for item in items:
        if merged and merged[-1].level == item.level:
            continue
        if merged and merged[-1].since_ns == item.since_ns:
            merged[-1] = item
        else:
            merged.append(item)
    return merged
