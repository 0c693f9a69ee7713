"""What a halt has not reached yet: entries that may still fill, contracts that no stop covers. Pure."""

from __future__ import annotations

from decimal import Decimal

from contractdesk.console.changes import order_line
from contractdesk.console.tables import shown
from contractdesk.domain.orders import Order, OrderRole
from contractdesk.engine.state import Desk

NAMED = 3  # entries one by one; more are only counted


def calm(state: Desk) -> bool:
    """No entry is working, and every contract is under its stop."""
    return not (_entries(state) or _naked(state))


def missing(state: Desk) -> str:
    """What keeps it from being calm; "" where it is."""
    entries, naked = _entries(state), _naked(state)
    parts = [f"{symbol} {shown(size)} without a stop" for symbol, size in naked.items()]
    if entries:
        lines = [order_line(order) for order in entries[:NAMED]]
        lines += [f"{len(entries) - NAMED} more"] if len(entries) > NAMED else []
        counted = "1 entry" if len(entries) == 1 else f"{len(entries)} entries"
        parts.append(f"{counted} not confirmed cancelled: {', '.join(lines)}")
    return "; ".join(parts)


def _entries(state: Desk) -> list[Order]:
    return [
        tracked.order
        for market in state.symbols.values()
        for tracked in state.tracked(market, OrderRole.ENTRY)
    ]


def _naked(state: Desk) -> dict[str, Decimal]:
    """The contracts of each symbol that no stop covers."""
    left = {name: abs(market.position.size) - market.guarded for name, market in state.symbols.items()}
    return {name: size for name, size in left.items() if size > 0}
