"""What a run leaves behind: facts and commands as they came, from which every table is made."""

from __future__ import annotations

from decimal import Decimal

from msgspec import Struct, field

from contractdesk.domain.commands import Command, Notify
from contractdesk.domain.events import FundingPaid, OrderEvent
from contractdesk.domain.fills import Fill
from contractdesk.domain.intents import Refused
from contractdesk.engine.engine import Engine
from contractdesk.replay.setup import Setup


class Outcome(Struct, kw_only=True):
    """What a run has left; times are UTC ns."""

    setup: Setup
    engine: Engine
    start_ns: int
    end_ns: int
    fills: list[Fill] = field(default_factory=list)
    payments: list[FundingPaid] = field(default_factory=list)
    refusals: list[Refused] = field(default_factory=list)
    notices: list[tuple[int, Notify]] = field(default_factory=list)  # and when
    commands: list[tuple[int, Command]] = field(default_factory=list)  # all but notices, and when
    closes: list[tuple[int, ...]] = field(default_factory=list)  # (ts_ns, ticks of each contract; 0 unknown)
    reports: list[OrderEvent] = field(default_factory=list)  # the venue's on orders, as it made them
    seen: dict[str, Decimal | None] = field(default_factory=dict)  # last price at sending, by client id
    against: dict[str, int] = field(default_factory=dict)  # ticks by which taking orders were charged
    last_ticks: list[int] = field(default_factory=list)  # of each contract's last trade; 0: none
    trades: int = 0  # of the recording
    events: int = 0  # that the engine has handled
    wakes: int = 0  # moments at which it had to
