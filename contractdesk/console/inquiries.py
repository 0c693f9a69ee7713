"""Questions to a desk, as coroutines on its own loop: they change nothing."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation

from contractdesk.console.nested import nested
from contractdesk.console.preview import Preview
from contractdesk.console.story import StoryView
from contractdesk.console.stress import StressView
from contractdesk.console.tables import Table
from contractdesk.console.watching import Watching
from contractdesk.desk.guardian_link import GuardianLink
from contractdesk.desk.session import Session
from contractdesk.domain.account import Account
from contractdesk.domain.intents import StopSpec
from contractdesk.domain.views import GuardianState
from contractdesk.errors import UserError, VenueError
from contractdesk.ops.metrics import Histogram
from contractdesk.risk.settings import RiskSettings
from contractdesk.risk.stress import Shock
from contractdesk.strategy import intents
from contractdesk.venues.base import Check

ADVICE_CHARS = 200  # a sentence that says what to do is shown whole
LAG_P99_MS = 250.0
LAG_SAMPLES = 200  # two seconds of ticks; fewer say nothing
_SIDES = {"buy": intents.enter_long, "sell": intents.enter_short}


class Inquiries:
    """What a person may ask."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._host = session.host
        self._watching = Watching(session)

    async def look(self, symbol: str) -> str:
        """The unified symbol; the first look at one that nobody watches waits for its first picture."""
        return await self._watching.look(symbol)

    async def account_state(self) -> Account:
        """The account as the venue shows it now: balances, margins, positions; read afresh."""
        try:
            return await self._host.venue.read_account()
        except VenueError as error:
            raise UserError(f"the venue did not answer: {error}") from error

    async def risk_settings(self) -> RiskSettings:
        """The limits that the gate works with now."""
        return self._session.state.risk

    async def size(
        self,
        symbol: str,
        *,
        stop: StopSpec | intents.Number | None = None,
        side: str = "buy",
        risk: intents.Number | None = None,
        notional: intents.Number | None = None,
        limit: intents.Number | None = None,
    ) -> Preview:
        """What an entry would be: size, margin, fee, loss at the stop, liquidation, the binding limit.

        ``risk`` is the share of equity to lose at the stop, e.g. 0.005. Sends nothing.
        """
        if side not in _SIDES:
            raise UserError(f'side={side!r} must be "buy" or "sell"')
        unified = await self._host.list_symbol(symbol)
        wish = _SIDES[side](unified, stop=stop, notional=notional, limit=limit)
        share = None if risk is None else _number(risk)
        await self._watching.prepare(wish)  # if it fails, the preview says why
        return Preview.of(self._session.engine.preview(wish, risk=share))

    async def stress(
        self,
        price: intents.Number | Mapping[str, intents.Number] = 0,
        *,
        funding: intents.Number = 0,
        leverage: intents.Number | None = None,
    ) -> StressView:
        """What if prices moved at once: equity, margin ratio, liquidation prices, and which rules would fire.

        ``price`` is a share, -0.1 for ten per cent lower, of all symbols or by symbol; ``funding`` the rate
        of one settlement before; ``leverage`` instead of the one in force. Sends nothing.
        """
        moves: Decimal | dict[str, Decimal]
        if isinstance(price, Mapping):
            moves = {self._host.venue.resolve(name).symbol: _number(move) for name, move in price.items()}
        else:
            moves = _number(price)
        chosen = None if leverage is None else _number(leverage)
        shock = Shock(price=moves, funding=_number(funding), leverage=chosen)
        stress = self._session.engine.stress(shock)
        if stress is None:
            raise UserError("the account has not been read yet; desk.preflight() says why")
        return StressView(stress)

    async def why(self, id: str | int) -> StoryView:  # noqa: A002  # the reader's word: an id of any kind
        """The story of an order (our id or the venue's) or a refusal: signal, rules, order, fills, stop."""
        story = self._session.engine.why(str(id))
        if story is None:
            raise UserError(f"nothing known of {id!r}; desk.orders and desk.refusals list ids")
        return StoryView(story)

    async def why_not(self, symbol: str) -> Table:
        """What would refuse an entry in the symbol now: what was found, the limit, what would pass."""
        unified = await self._watching.look(symbol)
        rows = [
            (f.rule, f.passed, f.found, f.limit, f.would_pass) for f in self._session.engine.why_not(unified)
        ]
        if self._session.snapshot.guardian is GuardianState.AWAY:
            rows.append(("guardian", False, "away", "watching", "a new one: it is being started"))
        columns = ("rule", "passed", "found", "limit", "would_pass")
        clear = "nothing blocks an entry now"
        return Table(f"why not {unified}", columns, rows, widest=ADVICE_CHARS, empty=clear)

    async def preflight(self) -> Table:
        """Is the desk fit to trade: key, clock, modes, feeds, loop. Says what to do where it is not."""
        try:
            checks = [*await self._host.venue.preflight()]
        except VenueError as error:
            checks = [
                Check(name="venue", passed=False, found=str(error), advice="check the network, then repeat")
            ]
        checks += self._own_checks()
        rows = [(c.name, c.passed, c.found, "" if c.passed else c.advice) for c in checks]
        return Table("preflight", ("check", "passed", "found", "advice"), rows, widest=ADVICE_CHARS)

    def _own_checks(self) -> list[Check]:
        snapshot = self._session.snapshot
        return [
            Check(
                name="private stream",
                passed=snapshot.private_stream_ready,
                found="reconciled" if snapshot.private_stream_ready else "not reconciled",
                advice="wait for the reconnection; desk.log_path says why it is away",
            ),
            _lag_check(self._session.metrics.loop_lag),
            _guardian_check(snapshot.guardian, self._host.guardian),
            Check(
                name="engine",
                passed=not self._host.fault,
                found=self._host.fault or "sound",
                advice="close the desk and open it again; report the fault from the log",
            ),
            Check(
                name="journal",
                passed=not self._host.recorder.broken,
                found=self._host.recorder.broken or "written",
                advice="free the disk, then open the desk again: entries are refused without a journal",
            ),
            Check(
                name="nested event loops",
                passed=True,
                found=f"{nested()} is applied: tasks run slower" if nested() else "not applied",
            ),
        ]


def _number(value: intents.Number) -> Decimal:
    try:
        return Decimal(str(value))
    except InvalidOperation:
        raise UserError(f"{value!r} is not a number") from None


def _guardian_check(state: GuardianState, link: GuardianLink | None) -> Check:
    """One that is off by choice passes, and says what that means."""
    found = state.value
    if link is None:
        found = "off: nobody acts where this kernel dies or hangs with something uncovered"
    elif link.pid:
        found = f"{state.value}, process {link.pid}"
    return Check(
        name="guardian",
        passed=state is not GuardianState.AWAY,
        found=found,
        advice="entries are refused until it is back; desk.log_path says why it has ended",
    )


def _lag_check(lag: Histogram) -> Check:
    p99 = lag.quantile(0.99)
    return Check(
        name="loop lag",
        passed=p99 <= LAG_P99_MS or lag.count < LAG_SAMPLES,
        found=f"p50 {lag.quantile(0.5):.1f} ms, p99 {p99:.1f} ms, max {lag.max_ms:.0f} ms",
        advice="cells hold the GIL for long: use numpy on smaller pieces, or another kernel",
    )
