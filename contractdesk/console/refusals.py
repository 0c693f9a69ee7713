"""The gate's no as something to read: ``receipt.refused``."""

from __future__ import annotations

import html
from typing import Self

import msgspec

from contractdesk.console.tables import Table
from contractdesk.domain.intents import Refused

SENTENCE_CHARS = 200  # what would pass is read to its end
_FINDING = ("rule", "passed", "found", "limit", "would_pass", "left")


class Refusal(Refused, frozen=True, kw_only=True):
    """A Refused that reads as a sentence, with all that was measured below it."""

    @classmethod
    def of(cls, refused: Refused) -> Self:
        return cls(**msgspec.structs.asdict(refused))

    @property
    def title(self) -> str:
        """Which rule, what it found, its limit, and what would pass."""
        pass_ = f"; would pass: {self.would_pass}" if self.would_pass else ""
        return f"{self.symbol} refused by {self.rule}: found {self.found}, limit {self.limit}{pass_}"

    @property
    def table(self) -> Table:
        """Every rule that looked at the wish, the failed ones first."""
        ordered = sorted(self.findings, key=lambda finding: finding.passed)
        rows = [[getattr(finding, name) for name in _FINDING] for finding in ordered]
        return Table("rules", _FINDING, rows, widest=SENTENCE_CHARS, empty="no rule was asked")

    def __repr__(self) -> str:
        return f"{self.title}\n{self.table!r}" if self.findings else self.title

    def _repr_html_(self) -> str:
        rules = self.table._repr_html_() if self.findings else ""
        return f"<div><b>{html.escape(self.title)}</b></div>{rules}"
