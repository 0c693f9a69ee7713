"""What scenarios ask of a desk besides its blocking verbs: an entry now or never, and what refused it."""

from __future__ import annotations

from decimal import Decimal

from contractdesk.domain.events import IntentAsked
from contractdesk.domain.orders import Order
from contractdesk.domain.views import Decision
from contractdesk.strategy import intents
from tests.faults.case import Case
from tests.faults.desks import SIZE, STOP, creates
from tests.rules.venue import ETH, VENUE, Seat, eventually, held

DECIDED_S = 6.0  # a wish whose equity is stale expires after 2 s


def wished(at: Seat, symbol: str = ETH, size: Decimal = SIZE, stop: Decimal = STOP) -> Decision:
    """The desk's decision on a market entry as it stands; nothing is waited for but the decision."""
    session = at.desk._session
    wish = intents.enter_long(symbol, size=size, stop=intents.fixed_stop(stop), reason="by hand")

    async def ask() -> Decision | None:
        asked = IntentAsked(ts_ns=session.clock.now_ns(), who="person", intent=wish)
        handled = await session.host.ask(asked)
        return await session.host.until(lambda: session.state.decisions.get(handled.intent_id), DECIDED_S)

    decision: Decision | None = session.submit(ask()).result(DECIDED_S + 5)
    assert decision is not None, "the desk has not decided"
    return decision


def refuses(at: Seat, *rules: str, symbol: str = ETH) -> str:
    """An entry is refused, by one of ``rules`` where they are named, and none is sent; by which."""
    sent = len(creates(at, "entry"))
    decision = wished(at, symbol)
    failed = {finding.rule for finding in decision.findings if not finding.passed}
    assert not decision.client_id, "the entry was approved"
    assert not rules or failed & set(rules), (failed, decision.refusal)
    assert len(creates(at, "entry")) == sent
    return ", ".join(sorted(failed)) or decision.refusal


def refuses_soon(at: Seat, *rules: str, within_s: float) -> str:
    """Within the time entries are refused; those that were taken before are not looked at."""
    return eventually(lambda: _refusal(at, rules), bool, within_s)


def _refusal(at: Seat, rules: tuple[str, ...]) -> str:
    missing = set(at.desk.why_not(ETH).column("rule"))
    return ", ".join(sorted(missing & set(rules))) if rules else ", ".join(sorted(missing))


def enters(at: Seat, within_s: float, size: Decimal = Decimal("0.01")) -> float:
    """Seconds until an entry is taken again, by the exchange's clock; an error where it takes longer."""
    began_ns, before = at.truth()["now_ns"], held(at.truth(), ETH)

    def refusal() -> str:
        """Why none is taken; "" once one has filled. A disk that is late for one refuses that one only."""
        decision = wished(at, size=size)
        if not decision.client_id:
            return ", ".join(f"{f.rule}: {f.found}" for f in decision.findings if not f.passed)
        at.desk.wait_for(lambda s: any(_over(row, decision.client_id) for row in s.orders), 10)
        return "" if held(at.truth(), ETH) == before + size else "approved, and not sent or not filled"

    eventually(refusal, lambda now: not now, within_s)
    fill = [row for row in at.truth()["fills"] if row["symbol"] == VENUE[ETH]][-1]
    return float((fill["ts_ns"] - began_ns) / 1e9)


def _over(order: Order, client_id: str) -> bool:
    return order.request.client_id == client_id and not order.status.open


def stir(at: Seat, symbol: str = ETH) -> None:
    """The market trades, so that its book has something to say."""
    at.venue.post("trade", {"symbol": VENUE[symbol], "count": 2})


def sockets(at: Seat) -> list[tuple[str, frozenset[str]]]:
    """The exchange's open sockets that are not frozen: path, and what is subscribed there."""
    return sorted(
        (row["path"], frozenset(row["streams"])) for row in at.venue.get("sockets") if not row["frozen"]
    )


def count_requests(at: Seat, case: Case, method: str, path: str) -> int:
    """How often the desk has asked for that path; counted as injected."""
    rows = [row for row in at.requests() if (row["method"], row["path"]) == (method, path)]
    case.count(len(rows))
    return len(rows)
