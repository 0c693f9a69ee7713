"""The channel of the mark price, which also tells when funding has been settled."""

from __future__ import annotations

from contractdesk.clock import NS_PER_MS, NS_PER_S
from contractdesk.domain.events import (
    ChannelAlive,
    FundingHistoryRead,
    FundingSettled,
    LiquidationPrinted,
    MarkPriced,
    StreamName,
)
from contractdesk.venues.binance.api import PAGE
from contractdesk.venues.binance.channels import Host, Silence
from contractdesk.venues.binance.codec_market import SymbolFact

MARK_SILENCE_NS = 3 * NS_PER_S
FUNDING_HISTORY_NS = 9 * 86_400 * NS_PER_S


class MarkChannel:
    """Mark price each second, and with it the settled funding rates."""

    name = "mark"
    stream = StreamName.MARKET
    due = False

    def __init__(self, host: Host) -> None:
        symbol = host.instrument.venue_symbol.lower()
        self.topics = (f"{symbol}@markPrice@1s", f"{symbol}@forceOrder")
        self._host = host
        self._delivering = False
        self._silence = Silence(host.clock, MARK_SILENCE_NS)
        self._latest_ns = 0  # venue time of the latest mark
        self._settled_ns = 0  # venue time of the latest settlement that was told
        self._due_ns: int | None = 0  # the settlement whose rate is not known yet; 0: no history yet
        self._next_ns = 0
        self._poll_ns = 0  # monotonic: when the settled rates are read again, announced or not

    @property
    def whole(self) -> bool:
        return self._delivering and self._due_ns != 0

    def on_up(self) -> None:
        self._delivering = True
        self._silence.heard()

    def on_down(self, reason: str) -> None:  # noqa: ARG002  (the feed tells the reason)
        self._delivering = False

    def on_fact(self, fact: SymbolFact) -> None:
        if isinstance(fact, LiquidationPrinted):
            self._host.emit(fact)
        if not isinstance(fact, MarkPriced):
            return
        self._silence.heard()
        if fact.venue_ns <= self._latest_ns:
            return  # late or repeated
        self._latest_ns = fact.venue_ns
        if self._next_ns and fact.next_funding_ns > self._next_ns:
            self._due_ns = self._next_ns
        self._next_ns = fact.next_funding_ns
        self._host.emit(fact)

    async def serve(self) -> None:
        if not self._delivering:
            return
        if self._due_ns is not None:
            await self._read_settlements(self._due_ns)
        elif self._host.clock.monotonic_ns() >= self._poll_ns:
            await self._read_settlements(None)
        if self._silence.too_long:
            await self._probe()

    async def _read_settlements(self, due_ns: int | None) -> None:
        """All settled rates since the last told one; whole again when the due one is among them.

        Nine days at first. Read again and again: a venue may settle when no mark has announced it.
        """
        host = self._host
        self._poll_ns = host.clock.monotonic_ns() + int(host.polls.settlements_s * NS_PER_S)
        asked_ns = host.api.server_clock.now_ns()
        since_ns = self._settled_ns + NS_PER_MS if self._settled_ns else asked_ns - FUNDING_HISTORY_NS
        rows = await host.api.funding_rates(host.instrument.venue_symbol, since_ns // NS_PER_MS)
        for row in rows:
            self._settled_ns = row.funding_time * NS_PER_MS
            host.emit(
                FundingSettled(
                    ts_ns=host.clock.now_ns(),
                    symbol=host.instrument.symbol,
                    rate=row.funding_rate,
                    funding_ns=self._settled_ns,
                )
            )
        until_ns = asked_ns if len(rows) < PAGE else self._settled_ns
        host.emit(
            FundingHistoryRead(
                ts_ns=host.clock.now_ns(), symbol=host.instrument.symbol, since_ns=since_ns, until_ns=until_ns
            )
        )
        if due_ns is not None and (self._settled_ns >= due_ns - NS_PER_S or due_ns == 0):
            self._due_ns = None

    async def _probe(self) -> None:
        host = self._host
        theirs_ns = await host.api.mark_time_ms(host.instrument.venue_symbol) * NS_PER_MS
        if theirs_ns <= self._latest_ns + MARK_SILENCE_NS // 2:
            self._silence.heard()
            host.emit(
                ChannelAlive(ts_ns=host.clock.now_ns(), symbol=host.instrument.symbol, channel=self.name)
            )
        elif self._silence.too_long and self._silence.suspect():
            host.dead(self.stream, f"the mark of {host.instrument.symbol} moved on without us")
