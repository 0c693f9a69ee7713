"""``desk.book(symbol)``: a live object; every look at it reads the current snapshot."""

from __future__ import annotations

import html
import math
from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING

from contractdesk.console.tables import shown
from contractdesk.domain.instrument import Instrument
from contractdesk.domain.market import unpack_levels
from contractdesk.domain.views import DeskSnapshot, SymbolSnapshot

if TYPE_CHECKING:
    import pandas as pd

Level = tuple[Decimal, Decimal]  # price, size in contracts


class BookView:
    """The order book of one symbol. Prices in quote, sizes in contracts, best first."""

    def __init__(
        self, instrument: Instrument, snapshot: Callable[[], DeskSnapshot], is_open: Callable[[], bool]
    ) -> None:
        self.instrument = instrument
        self._snapshot = snapshot
        self._is_open = is_open

    @property
    def symbol(self) -> str:
        return self.instrument.symbol

    @property
    def watched(self) -> bool:
        """True once it was named: by a strategy, an order, or a look at its book."""
        return self.symbol in self._snapshot().symbols

    @property
    def valid(self) -> bool:
        """False before the first snapshot, during a gap and once the desk is closed: no levels then."""
        now = self._now
        return now is not None and now.book_valid and self._is_open()

    @property
    def bids(self) -> list[Level]:
        return self._levels(self._now.bids) if self._now and self.valid else []

    @property
    def asks(self) -> list[Level]:
        return self._levels(self._now.asks) if self._now and self.valid else []

    @property
    def best_bid(self) -> Decimal | None:
        return self.bids[0][0] if self.bids else None

    @property
    def best_ask(self) -> Decimal | None:
        return self.asks[0][0] if self.asks else None

    @property
    def mid(self) -> Decimal | None:
        bid, ask = self.best_bid, self.best_ask
        return (bid + ask) / 2 if bid is not None and ask is not None else None

    @property
    def spread(self) -> Decimal | None:
        bid, ask = self.best_bid, self.best_ask
        return ask - bid if bid is not None and ask is not None else None

    @property
    def mark(self) -> Decimal | None:
        return self._now.mark if self._now else None

    @property
    def last(self) -> Decimal | None:
        return self._now.last if self._now else None

    @property
    def df(self) -> pd.DataFrame:
        """Columns side, price, size; asks first, from the highest price down."""
        import pandas  # half a second of import that only this face needs

        rows = [("ask", *level) for level in reversed(self.asks)] + [("bid", *level) for level in self.bids]
        return pandas.DataFrame(rows, columns=["side", "price", "size"])

    # -- faces -----------------------------------------------------------------------------

    def __repr__(self) -> str:
        lines = [f"{self.symbol}  {self._status}"]
        lines += [f"{shown(size):>14}  {shown(price):>12}  ask" for price, size in reversed(self.asks[:10])]
        lines += [f"{'':>14}  {'-' * 12}"]
        lines += [f"{shown(size):>14}  {shown(price):>12}  bid" for price, size in self.bids[:10]]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        def rows(levels: list[Level], colour: str) -> str:
            cell = '<td style="text-align:right;color:{}">{}</td><td style="text-align:right">{}</td>'
            return "".join(
                f"<tr>{cell.format(colour, shown(price), shown(size))}</tr>" for price, size in levels
            )

        body = rows(list(reversed(self.asks[:10])), "#c0392b") + rows(self.bids[:10], "#1e8449")
        return (
            f'<table><caption style="text-align:left"><b>{html.escape(self.symbol)}</b> '
            f"{html.escape(self._status)}</caption><thead><tr><th>price</th><th>size</th></tr></thead>"
            f"<tbody>{body}</tbody></table>"
        )

    @property
    def _now(self) -> SymbolSnapshot | None:
        return self._snapshot().symbols.get(self.symbol)

    @property
    def _status(self) -> str:
        now = self._now
        if not self._is_open():
            return "the desk is closed"
        if now is None:
            return "not watched: desk.book(symbol) begins it"
        state = "valid" if now.book_valid else f"NOT VALID ({now.not_ready_reason or 'no snapshot yet'})"
        age = f", age {now.feed_age_ms:.0f} ms" if math.isfinite(now.feed_age_ms) else ""
        return f"{state}, mark {shown(now.mark)}, last {shown(now.last)}{age}"

    def _levels(self, packed: bytes) -> list[Level]:
        terms = self.instrument
        return [(terms.from_ticks(ticks), terms.from_lots(lots)) for ticks, lots in unpack_levels(packed)]
