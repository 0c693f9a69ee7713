"""What has happened in the worlds that were walked: a law about nothing would hold, too."""

from __future__ import annotations

from collections import Counter, defaultdict
from decimal import Decimal

from contractdesk.domain.commands import AmendStop, PlaceStop, ReduceOrder, SubmitOrder
from contractdesk.domain.fills import Fill, Liquidity
from contractdesk.domain.orders import OrderRole, OrderType
from contractdesk.engine.client_ids import parse
from contractdesk.replay.filling import LIQUIDATION
from contractdesk.replay.runner import Outcome

LEAST = {
    "fills": 300, "stop-outs": 30, "take-profits": 4, "resting fills": 15, "partial fills": 1,
    "liquidations": 2, "trailing moves": 30, "breaker trips": 3, "unwindings": 1, "reversals": 8,
    "refusals": 1000, "rules that refused": 12, "funding payments": 15, "worlds of one contract": 15,
    "worlds of several contracts": 20, "inverse worlds": 8, "held at once": 4, "days begun": 10,
}  # fmt: skip


class Tally(Counter[str]):
    """Counts by name; ``shortfalls`` says of what there was too little."""

    def __init__(self) -> None:
        super().__init__()
        self.rules: Counter[str] = Counter()

    def add(self, outcome: Outcome) -> None:
        self["worlds"] += 1
        setup = outcome.setup
        several = len(setup.instruments) > 1
        self["worlds of several contracts" if several else "worlds of one contract"] += 1
        self["inverse worlds"] += setup.instruments[0].kind.value == "inverse"
        self["funding payments"] += len(outcome.payments)
        self["refusals"] += len(outcome.refusals)
        self.rules.update(refused.rule for refused in outcome.refusals)
        self["rules that refused"] = len(self.rules)
        codes = Counter(notice.code for _, notice in outcome.notices)
        self["breaker trips"] += codes["breaker_tripped"]
        self["unwindings"] += sum(
            notice.code == "margin_guard" and notice.message.startswith("unwinding")
            for _, notice in outcome.notices
        )
        self["days begun"] += outcome.start_ns // DAY_NS != outcome.end_ns // DAY_NS
        self._fills(outcome.fills)
        self._commands(outcome)

    def _fills(self, fills: list[Fill]) -> None:
        sizes: defaultdict[str, Decimal] = defaultdict(Decimal)
        by_order = Counter(fill.client_id for fill in fills)
        self["partial fills"] += sum(count > 1 for count in by_order.values())
        together = False
        for fill in fills:
            before = sizes[fill.symbol]
            sizes[fill.symbol] = after = before + fill.signed_size
            known = parse(fill.client_id)
            role = known.role if known else None
            self["fills"] += 1
            self["stop-outs"] += role is OrderRole.STOP
            self["take-profits"] += role is OrderRole.TAKE_PROFIT
            self["resting fills"] += fill.liquidity is Liquidity.MAKER
            self["liquidations"] += fill.client_id.startswith(LIQUIDATION)
            self["reversals"] += before * after < 0
            together |= sum(bool(size) for size in sizes.values()) > 1
        self["held at once"] += together

    def _commands(self, outcome: Outcome) -> None:
        stops: dict[str, AmendStop | PlaceStop] = {}
        for _, command in outcome.commands:
            match command:
                case SubmitOrder():
                    self["entries"] += 1
                case ReduceOrder():
                    self["exits"] += 1
                case AmendStop():
                    self._stopped(command, stops, "amended stops")
                case PlaceStop(type=OrderType.STOP_MARKET):
                    self._stopped(command, stops, "placed stops")

    def _stopped(
        self, command: AmendStop | PlaceStop, stops: dict[str, AmendStop | PlaceStop], name: str
    ) -> None:
        """A stop of the same side and size as before at a better price: it has followed, or was moved."""
        before, stops[command.symbol] = stops.get(command.symbol), command
        self[name] += 1
        if before is not None and (before.side, before.size) == (command.side, command.size):
            gained = command.trigger_price - before.trigger_price
            self["trailing moves"] += -command.side.sign * gained > 0

    def report(self) -> str:
        rows = [f"{count:7d} {name}" for name, count in sorted(self.items())]
        return "\n".join([*rows, f"refused by {dict(self.rules)}"])

    def shortfalls(self) -> list[str]:
        return [
            f"{name}: {self[name]} of at least {least}" for name, least in LEAST.items() if self[name] < least
        ]


DAY_NS = 24 * 3600 * 10**9
