"""``desk.risk``: each rule's measured value now, and the settings behind them."""

from __future__ import annotations

from typing import Any

from contractdesk.console.calls import announced, run
from contractdesk.console.inquiries import Inquiries
from contractdesk.console.receipts import Receipt
from contractdesk.console.tables import Table
from contractdesk.console.verbs import Verbs
from contractdesk.console.views import RISK_COLUMNS, risk_rows
from contractdesk.desk.session import Session
from contractdesk.domain.views import DeskSnapshot
from contractdesk.risk.settings import RiskSettings

SENTENCE_CHARS = 240  # what would happen is read to its end


class RiskTable(Table):
    """A table with three verbs."""

    def __init__(self, session: Session, verbs: Verbs, inquiries: Inquiries, snapshot: DeskSnapshot) -> None:
        super().__init__("risk", RISK_COLUMNS, risk_rows(snapshot), widest=SENTENCE_CHARS)
        self._session = session
        self._verbs = verbs
        self._inquiries = inquiries

    @property
    def settings(self) -> RiskSettings:
        """The limits in force."""
        return run(self._session, self._inquiries.risk_settings(), "risk.settings")

    def tune(self, **changes: Any) -> Receipt:
        """Change limits within their ranges; journaled, in force from the next event on."""
        return announced(run(self._session, self._verbs.tune_risk(changes), "risk.tune"))

    def reset(self, rule: str, *, reason: str) -> Receipt:
        """Unlatch the "breaker"; ``resume()`` never does. Journaled with who, when and why."""
        return announced(run(self._session, self._verbs.reset_risk(rule, reason), "risk.reset"))
