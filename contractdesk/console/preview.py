"""``cd.size(...)``: the preview of an entry, as attributes and as something to read."""

from __future__ import annotations

from typing import Self

import msgspec

from contractdesk.console.tables import Table
from contractdesk.domain.intents import SizePreview

_WORDS = {
    "size": "size, contracts",
    "price": "worst price assumed",
    "notional": "notional",
    "initial_margin": "initial margin",
    "fee": "fee",
    "stop_price": "stop",
    "loss_at_stop": "loss at the stop, fees included",
    "liquidation_price": "liquidation price",
    "binding": "limit that fixed the size",
}


class Preview(SizePreview, frozen=True, kw_only=True):
    """A SizePreview that reads as a table; amounts in the settle currency."""

    @classmethod
    def of(cls, preview: SizePreview) -> Self:
        return cls(**msgspec.structs.asdict(preview))

    @property
    def table(self) -> Table:
        rows = [(words, getattr(self, name)) for name, words in _WORDS.items()]
        verdict = self.refusal or "would pass"
        return Table(f"{self.side.value} {self.symbol}", ("figure", "value"), [*rows, ("verdict", verdict)])

    def __repr__(self) -> str:
        return repr(self.table)

    def _repr_html_(self) -> str:
        return self.table._repr_html_()
