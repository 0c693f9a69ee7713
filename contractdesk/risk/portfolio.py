"""Limits over the whole desk, each a switch: gross exposure, entries an hour, loss a day."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

from msgspec import Struct

from contractdesk.domain.account import Account
from contractdesk.domain.intents import Finding
from contractdesk.domain.views import DeskView
from contractdesk.risk.proposal import Proposal, mark_of, worst_of_order
from contractdesk.risk.sizing import entries, net_size
from contractdesk.risk.words import failed, foreign, judged, money, number, percent

NS_PER_S = 1_000_000_000
NS_PER_HOUR = 3600 * NS_PER_S
GROSS, RATE, DAY = "gross_exposure", "entry_rate", "daily_loss"


class GrossExposure(Struct, frozen=True):
    """All positions at mark and all entries at their worst, whatever their direction, of the equity."""

    limit: Decimal
    collar: Decimal

    def review(self, proposal: Proposal, view: DeskView) -> Finding:
        item, account = view.symbols[proposal.intent.symbol], view.account
        words = f"<= {number(self.limit * 100)} % of equity"
        if account is None or account.equity <= 0:
            return failed(GROSS, "equity unknown or not positive", words, "an account with equity")
        if item.instrument.settle != account.asset:
            return foreign(GROSS, item.instrument, account, words)
        if (unseen := _unwatched(view, account)) is not None:
            return failed(GROSS, f"{unseen} is held and not watched", words, f"watching {unseen} as well")
        gross, worst = self._gross(view, account.asset), proposal.worst_price
        if gross is None or (worst is None and proposal.size):
            return failed(GROSS, "no mark price to measure with", words, "valid mark prices")
        total = gross if worst is None else gross + abs(item.instrument.cost(proposal.size, worst))
        most = Fraction(account.equity) * Fraction(self.limit)
        found = f"{percent(total, account.equity)} of equity ({money(total, account.asset)})"
        left = money(most - total, account.asset, up=False)
        return judged(GROSS, found, words, "less exposure elsewhere", ok=total <= most, left=left)

    def _gross(self, view: DeskView, asset: str) -> Fraction | None:
        total = Fraction(0)
        for symbol, item in view.symbols.items():
            size, mark = net_size(item), mark_of(item)
            if item.instrument.settle != asset:
                continue
            if size and mark is None:
                return None
            total += abs(item.instrument.cost(size, mark)) if size and mark else 0
            for order in entries(view, symbol):
                worst = worst_of_order(item, order, self.collar)
                if worst is None:
                    return None
                total += abs(item.instrument.cost(order.remaining, worst))
        return total


def _unwatched(view: DeskView, account: Account) -> str | None:
    """A contract that is held in this account's asset, and whose worth nobody here knows."""
    rows = (row for row in account.positions if row.size and row.settles_in(account.asset))
    return next((row.symbol for row in rows if row.symbol not in view.symbols), None)


class EntryRate(Struct, frozen=True):
    """At most ``limit`` entries sent in any hour, by hand and by strategies together."""

    limit: int

    def review(self, proposal: Proposal, view: DeskView) -> Finding:  # noqa: ARG002  (a Rule)
        since = view.now_ns - NS_PER_HOUR
        sent = [ns for ns in view.entry_times if ns > since]
        ok = len(sent) < self.limit
        wait_s = 0 if ok else -(-(sent[-self.limit] - since) // NS_PER_S)
        found, limit = f"{len(sent)} in the last hour", f"< {self.limit} entries an hour"
        return judged(RATE, found, limit, f"{wait_s} s of waiting", ok=ok, left=str(self.limit - len(sent)))


class DailyLoss(Struct, frozen=True):
    """Lost since 00:00 UTC, unrealized included, of the equity then: less than ``limit``."""

    limit: Decimal

    def review(self, proposal: Proposal, view: DeskView) -> Finding:  # noqa: ARG002  (a Rule)
        words, change = f"> -{number(self.limit * 100)} % since 00:00 UTC", view.day_change
        if change is None:
            return failed(DAY, "nothing measured yet", words, "a first valid mark")
        left = f"{(self.limit + change) * 100:.2f} % of equity"
        found = f"{change * 100:+.2f} %"
        return judged(DAY, found, words, "the next day (UTC)", ok=change > -self.limit, left=left)
