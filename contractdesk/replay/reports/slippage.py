"""What taking orders have cost against the price that the desk saw, beside what the model assumes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING

from contractdesk.domain.fills import Fill, Liquidity
from contractdesk.domain.instrument import ContractKind, Instrument
from contractdesk.replay.columns import stamps
from contractdesk.replay.orders import Sent, last_triggers
from contractdesk.replay.outcome import Outcome

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = (
    "time", "symbol", "side", "role", "size", "seen", "reference", "price", "ticks", "bps", "assumed_ticks",
    "moved_ticks", "cost", "latency_ms",
)  # fmt: skip


def table(outcome: Outcome, sent: Mapping[str, Sent]) -> pd.DataFrame:
    """One row a taking fill of an order of ours; all differences are + against us.

    - ``seen``: the last price that the desk had heard when it sent the order (``reference`` "last"), or
      the trigger of a conditional order ("trigger").
    - ``ticks``, ``bps`` (1e-4 of ``seen``), ``cost`` (settle currency): from ``seen`` to ``price``.
    - ``assumed_ticks``: the share beyond the last trade, by the slippage model (or by the book, where one
      was recorded); ``moved_ticks``: the rest, the market's until the fill.
    - ``latency_ms``: from sending the order to its fill at the venue; NaN for what waits for a trigger.

    Liquidations are not in it: nobody has decided on them.
    """
    import pandas as pd

    terms = {each.symbol: each for each in outcome.setup.instruments}
    frame = pd.DataFrame(list(_rows(outcome, sent, terms)), columns=list(COLUMNS))
    frame["time"] = stamps(frame["time"])
    return frame.astype({"seen": float, "latency_ms": float})


def _rows(
    outcome: Outcome, sent: Mapping[str, Sent], terms: Mapping[str, Instrument]
) -> Iterator[tuple[object, ...]]:
    triggers = last_triggers(outcome)
    for fill in outcome.fills:
        order, trigger = sent.get(fill.client_id), triggers.get(fill.client_id)
        seen = outcome.seen.get(fill.client_id) if trigger is None else trigger
        if fill.liquidity is Liquidity.MAKER or order is None or seen is None:
            continue
        contract, sign = terms[fill.symbol], 1 if fill.signed_size > 0 else -1
        ticks = sign * float((fill.price - seen) / contract.tick_size)
        assumed = outcome.against.get(fill.client_id, 0)
        yield (
            fill.venue_ns,
            fill.symbol,
            "buy" if sign > 0 else "sell",
            order.role,
            float(fill.size),
            float(seen),
            "last" if trigger is None else "trigger",
            float(fill.price),
            ticks,
            sign * float((fill.price - seen) / seen) * 1e4,
            assumed,
            ticks - assumed,
            _cost(contract, fill, seen),
            (fill.venue_ns - order.sent_ns) / 1e6 if trigger is None else None,
        )


def _cost(terms: Instrument, fill: Fill, seen: Decimal) -> float:
    """What the fill has cost more than at ``seen``, in the settle currency."""
    more = terms.cost(fill.signed_size, fill.price) - terms.cost(fill.signed_size, seen)
    return float(more if terms.kind is ContractKind.LINEAR else -more)
