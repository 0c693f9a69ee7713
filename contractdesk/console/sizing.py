"""``cd.size``: the preview of an entry as a function, for those who think in functions."""

from __future__ import annotations

from contractdesk.console.desk import Desk
from contractdesk.console.preview import Preview
from contractdesk.domain.intents import StopSpec
from contractdesk.strategy.intents import Number


def size(
    desk: Desk,
    symbol: str,
    *,
    stop: StopSpec | Number | None = None,
    side: str = "buy",
    risk: Number | None = None,
    notional: Number | None = None,
    limit: Number | None = None,
) -> Preview:
    """What an entry would be, before anybody sends it: size in contracts, margin, fee, loss at the stop.

    ``risk`` is the share of equity to lose at the stop, e.g. 0.005. Amounts in the settle currency.
    """
    return desk.size(symbol, stop=stop, side=side, risk=risk, notional=notional, limit=limit)
