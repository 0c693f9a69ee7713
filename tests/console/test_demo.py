"""A demo that did not show what it promises fails, and says what was missing."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from contractdesk.console.audit import Audit, Totals
from contractdesk.console.demo import broken
from contractdesk.desk.audit import Agreement


def audit(*, agreed: bool = True, **changes: Any) -> Audit:
    plain: dict[str, Any] = {
        "fills": 6, "partly_filled_orders": 1, "round_trips": 2, "funding_settlements": 1, "stops": 3,
        "longest_naked_s": 0.02, "realized_pnl": Decimal(-1), "fees": Decimal(1), "funding": Decimal(1),
        "equity": Decimal(9_999), "position": {},
    }  # fmt: skip
    row = Agreement(what="fees", symbol="BTC", desk=Decimal(1), exchange=Decimal(1 if agreed else 2))
    return Audit(desk="demo", market="", agreements=(row,), coverages=(), totals=Totals(**plain | changes))


def test_a_good_run_has_nothing_to_complain_of() -> None:
    assert broken(audit(), recorded=True) == []


def test_each_broken_promise_is_a_sentence() -> None:
    assert broken(audit(agreed=False), recorded=False) == ["the desk's books differ from the exchange's"]
    assert broken(audit(longest_naked_s=3.2), recorded=False) == ["a contract was without a stop for 3.2 s"]
    quiet = audit(partly_filled_orders=0, round_trips=0, funding_settlements=0, fees=Decimal(0))
    assert len(broken(quiet, recorded=True)) == 4


def test_a_generated_market_promises_no_settlement() -> None:
    assert broken(audit(funding_settlements=0, partly_filled_orders=0), recorded=False) == []
