"""``cd.size(...)``: the preview of an entry, as attributes and as something to read."""

from __future__ import annotations

import html
from typing import Self

import msgspec

from contractdesk.console.tables import Table, shown
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
    def title(self) -> str:
        """The verdict first: it is what the preview is asked for."""
        verdict = f"would be refused by {self.refusal}" if self.refusal else "would pass"
        return f"{self.side.value} {self.symbol}: {verdict}"

    @property
    def table(self) -> Table:
        """The figures; those that cannot be known are left out, and all where nothing could be sent."""
        found = [(words, getattr(self, name)) for name, words in _WORDS.items()]
        rows = [(words, value) for words, value in found if value is not None] if self.size else []
        return Table("figures", ("figure", "value"), rows)

    def __repr__(self) -> str:
        if not self.size:
            return self.title
        width = max(len(words) for words in _WORDS.values())
        lines = [f"  {row['figure']:<{width}}  {shown(row['value'])}" for row in self.table]
        return "\n".join([self.title, *lines])

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{html.escape(row['figure'])}</td><td>{html.escape(shown(row['value']))}</td></tr>"
            for row in self.table
        )
        caption = f'<caption style="text-align:left"><b>{html.escape(self.title)}</b></caption>'
        return f'<table class="contractdesk">{caption}<tbody>{rows}</tbody></table>'
