"""What goes wrong in a story, and when: a swarm of kinds a seed, each with a stream of chance of its own.

So taking one fault out of a plan leaves the others as they are, and a failing plan can be shrunk.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from msgspec import Struct

from contractdesk.exchange.faults import (
    Answer,
    Cut,
    Delay,
    DelayEvent,
    DepthGap,
    DropEvent,
    DropRequest,
    DuplicateEvent,
    Fault,
    Freeze,
    Match,
    Refuse,
    Role,
    ShiftClock,
    When,
)

BEGINS_S = 3.0  # the desk is open by then
LASTS_S = 26.0  # so long may faults begin
ORDERS = ("/fapi/v1/order", "/fapi/v1/algoOrder")
READS = (
    "/fapi/v3/positionRisk", "/fapi/v3/account", "/fapi/v1/openOrders", "/fapi/v1/openAlgoOrders",
    "/fapi/v1/userTrades", "/fapi/v1/order", "/fapi/v1/algoOrder", "/fapi/v1/depth", "",
)  # fmt: skip
USER_EVENTS = (
    ("ORDER_TRADE_UPDATE", "TRADE"), ("ORDER_TRADE_UPDATE", "NEW"), ("ORDER_TRADE_UPDATE", "CANCELED"),
    ("ORDER_TRADE_UPDATE", ""), ("TRADE_LITE", ""), ("ACCOUNT_UPDATE", ""), ("ALGO_UPDATE", ""), ("", ""),
)  # fmt: skip
VENUE_SYMBOLS = ("BTCUSDT", "ETHUSDT")
UNKNOWN = "Unknown error, please check your request or try again later."
BUSY = "Request throttled by system-level protection."


class Planned(Struct, frozen=True, kw_only=True):
    """One fault: the exchange's own, or the world's by its ``kind`` with ``terms``."""

    number: int  # by which a plan is cut down
    kind: str
    at_s: float
    for_s: float  # then it is taken away, whether it has struck or not
    fault: Fault | None = None
    terms: dict[str, Any] = {}

    def __str__(self) -> str:
        what = self.fault if self.fault is not None else self.terms or ""
        return f"#{self.number} {self.kind} at {self.at_s:.2f} s for {self.for_s:.2f} s {what}"


Maker = Callable[[Random], tuple[float, Fault | None, dict[str, Any]]]  # how long, and what


def plan(seed: int | str) -> tuple[Planned, ...]:
    """The swarm of a seed, in the order of their time."""
    dice = Random(f"{seed}:plan")  # noqa: S311
    kinds = dice.sample(sorted(KINDS), dice.randint(2, 6))
    found: list[tuple[float, str, Random]] = []
    for kind in kinds:
        for strike in range(dice.randint(1, 3)):
            own = Random(f"{seed}:{kind}:{strike}")  # noqa: S311
            found.append((BEGINS_S + own.random() * LASTS_S, kind, own))
    return tuple(
        _planned(number, at_s, kind, own)
        for number, (at_s, kind, own) in enumerate(sorted(found, key=lambda row: row[0]), 1)
    )


def _planned(number: int, at_s: float, kind: str, dice: Random) -> Planned:
    for_s, fault, terms = KINDS[kind](dice)
    return Planned(number=number, kind=kind, at_s=at_s, for_s=for_s, fault=fault, terms=terms)


def _create(dice: Random) -> Match:
    return Match(method="POST", role=dice.choice((Role.ENTRY, Role.STOP, Role.REDUCE)))


def _any_order(dice: Random) -> Match:
    return Match(method=dice.choice(("POST", "DELETE", "GET")), path=dice.choice(ORDERS))


def _query(dice: Random) -> Match:
    return Match(method="GET", path=dice.choice(ORDERS))


def _read(dice: Random) -> Match:
    return Match(method="GET", path=dice.choice(READS))


def _count(dice: Random) -> int:
    return dice.choice((1, 1, 2, 3))


def _window(dice: Random) -> float:
    return dice.uniform(2.0, 7.0)


def _lost_before(dice: Random) -> Any:
    return _window(dice), DropRequest(when=When.BEFORE, match=_create(dice), count=_count(dice)), {}


def _lost_after(dice: Random) -> Any:
    return _window(dice), DropRequest(when=When.AFTER, match=_create(dice), count=_count(dice)), {}


def _lost_and_late(dice: Random) -> Any:
    late = DropRequest(when=When.AFTER, ms=dice.randint(300, 3000), match=_create(dice))
    return _window(dice), late, {}


def _cancel_lost(dice: Random) -> Any:
    when = dice.choice((When.BEFORE, When.AFTER))
    fault = DropRequest(when=when, match=Match(method="DELETE"), count=_count(dice))
    return _window(dice), fault, {}


def _answers(*variants: dict[str, Any], match: Callable[[Random], Match] = _create) -> Maker:
    def make(dice: Random) -> Any:
        terms = dice.choice(variants)
        return _window(dice), Answer(match=match(dice), count=_count(dice), **terms), {}

    return make


def _reads_fail(dice: Random) -> Any:
    status = dice.choice((500, 502, 503, 504))
    return _window(dice), Answer(status=status, msg="", match=_read(dice), count=dice.choice((1, 4, 40))), {}


def _reads_hang(dice: Random) -> Any:
    return _window(dice), DropRequest(when=When.BEFORE, match=_read(dice), count=dice.choice((1, 4, 40))), {}


def _limited(dice: Random) -> Any:
    status = dice.choice((429, 429, 418))
    fault = Answer(status=status, code=-1003, msg="Too many requests", retry_after_s=dice.randint(1, 4))
    return _window(dice), fault, {"silent_s": fault.retry_after_s}


def _slow(dice: Random) -> Any:
    when = dice.choice((When.BEFORE, When.AFTER))
    match = dice.choice((_create(dice), _any_order(dice), Match()))
    return _window(dice), Delay(ms=dice.randint(200, 3500), when=when, match=match, count=_count(dice)), {}


def _event(dice: Random) -> dict[str, Any]:
    event, execution = dice.choice(USER_EVENTS)
    return {"event": event, "execution": execution, "count": _count(dice)}


def _event_lost(dice: Random) -> Any:
    return _window(dice), DropEvent(**_event(dice)), {}


def _event_twice(dice: Random) -> Any:
    return _window(dice), DuplicateEvent(**_event(dice)), {}


def _event_late(dice: Random) -> Any:
    return _window(dice), DelayEvent(ms=dice.randint(50, 4000), **_event(dice)), {}


def _depth_gap(dice: Random) -> Any:
    symbol = dice.choice(VENUE_SYMBOLS)
    return _window(dice), DepthGap(symbol=symbol, every=dice.choice((1, 2, 7)), count=_count(dice)), {}


PATHS = ("public", "market", "private")


def _cut(dice: Random) -> Any:
    return 0.1, Cut(path=dice.choice(PATHS)), {}


def _freeze(dice: Random) -> Any:
    seconds = dice.uniform(0.5, 8.0)
    return seconds, Freeze(path=dice.choice(PATHS)), {}


def _refuse(dice: Random) -> Any:
    seconds = dice.uniform(0.5, 5.0)
    path = dice.choice(PATHS)
    return seconds, Refuse(path=path, seconds=seconds), {"cut": path}


def _shift_clock(dice: Random) -> Any:
    return dice.uniform(1.0, 8.0), ShiftClock(ms=dice.choice((-4000, -1500, 900, 1500, 4000))), {}


def _world(for_s: tuple[float, float], **terms: Callable[[Random], Any]) -> Maker:
    """One of the world's own: what it needs is thrown for in the order of ``terms``."""

    def make(dice: Random) -> Any:
        seconds = dice.uniform(*for_s)
        return seconds, None, {name: throw(dice) for name, throw in terms.items()}

    return make


MOMENTS = ("now", "create left", "create arrived", "create answered", "filled", "stop arrived", "cancel left")


KINDS: dict[str, Maker] = {
    "lost before": _lost_before,
    "lost after": _lost_after,
    "lost and late": _lost_and_late,
    "cancel lost": _cancel_lost,
    "unknown error": _answers(
        {"status": 503, "code": -1, "msg": UNKNOWN, "execute": True},
        {"status": 503, "code": -1, "msg": UNKNOWN},
    ),
    "unavailable": _answers(
        {"status": 503, "msg": "Service Unavailable."}, {"status": 503, "code": -1008, "msg": BUSY}
    ),
    "timestamp refused": _answers({"status": 400, "code": -1021, "msg": "Timestamp for this request"}),
    "order refused": _answers(
        {"status": 400, "code": -2021, "msg": "Order would immediately trigger."},
        {"status": 400, "code": -2019, "msg": "Margin is insufficient."},
        {"status": 400, "code": -2022, "msg": "ReduceOnly Order is rejected."},
    ),
    "order not found": _answers(
        {"status": 400, "code": -2013, "msg": "Order does not exist."}, match=_query
    ),
    "reads fail": _reads_fail,
    "reads hang": _reads_hang,
    "limited": _limited,
    "slow": _slow,
    "event lost": _event_lost,
    "event twice": _event_twice,
    "event late": _event_late,
    "depth gap": _depth_gap,
    "cut": _cut,
    "freeze": _freeze,
    "refuse": _refuse,
    "clock shifted": _shift_clock,
    "stops expire": _world((0.1, 0.2), symbol=lambda dice: dice.choice(VENUE_SYMBOLS)),
    "listen key gone": _world((0.1, 0.2)),
    "closed elsewhere": _world(
        (0.1, 0.2), symbol=lambda dice: dice.choice(VENUE_SYMBOLS), part=Random.random
    ),
    "price jumps": _world(
        (0.5, 3.0),
        symbol=lambda dice: dice.choice(VENUE_SYMBOLS),
        by=lambda dice: dice.choice((-1, 1)) * dice.uniform(0.002, 0.012),
    ),
    "funding": _world(
        (0.1, 0.2),
        symbol=lambda dice: dice.choice(VENUE_SYMBOLS),
        rate=lambda dice: dice.choice(("0.0001", "-0.0004", "0.0003")),
    ),
    "transfer": _world((0.1, 0.2), amount=lambda dice: dice.choice(("250", "-300", "12.5"))),
    "crash": _world((0.2, 4.0), moment=lambda dice: dice.choice(MOMENTS)),
    "crash in recovery": _world((0.2, 1.0), moment=lambda dice: dice.choice(MOMENTS), again_s=Random.random),
    "stall": _world((0.1, 4.0)),
    "sleep": _world((6.0, 14.0)),
    "host clock set": _world((2.0, 8.0), ms=lambda dice: dice.choice((-7000, -2000, 1500, 3000, 7000))),
    "disk hangs": _world((0.3, 5.0)),
    "disk full": _world((0.5, 5.0)),
    "network down": _world((0.5, 6.0)),
}  # fmt: skip
