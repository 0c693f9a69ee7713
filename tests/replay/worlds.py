"""Random worlds for the replay: contracts, tapes, models, rules and gamblers, all of one seed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import pairwise
from random import Random
from typing import Any

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from contractdesk.domain.instrument import ContractKind, Instrument
from contractdesk.replay.models import (
    ConstantLatency,
    FixedSlippage,
    Latency,
    MeasuredLatency,
    Models,
    QueueAhead,
    SampledLatency,
    SquareRootImpact,
    TouchFill,
    TradeThrough,
)
from contractdesk.replay.setup import Funding, Interest, Setup
from contractdesk.replay.ticks import Ticks
from contractdesk.risk.settings import CapBasis, OnTrip, RiskSettings
from tests.domain.terms import INVERSE, LINEAR, MULTIPLIED, tiers
from tests.replay.gamblers import Gambler, Listener, Reader
from tests.replay.reference import Trade

D = Decimal
MS, NS_PER_S = 10**6, 10**9
DAY_NS = 24 * 3600 * NS_PER_S
MIDNIGHT = 1_700_000_000 * NS_PER_S // DAY_NS * DAY_NS
TIMEFRAMES = ["1s", "2s", "3s", "5s", "10s", "15s", "1m"]


RECKLESS = RiskSettings(  # what nobody should trade with: here the account is lost now and then
    size_cap=D(10), slippage_collar=D("0.05"), account_max_age_s=10.0, intent_expiry_s=10.0,
    stop_liquidation_buffer=D(0), breaker_drop=D(1), funding_gate=D(1), book_max_age_s=10.0,
    mark_max_age_s=30.0, margin_guard_period_s=0.5,
)  # fmt: skip


class World(Struct, frozen=True):
    """A setup, and the trades of its recording."""

    setup: Setup
    trades: list[Trade]


def world(seed: int) -> World:
    """The same for the same seed."""
    dice = Random(seed)  # noqa: S311  (a world's dice, not a secret)
    instruments = contracts(dice)
    models, reckless = models_of(dice), dice.random() < 0.4
    if reckless:
        models = replace(models, latency=ConstantLatency(feed_ms=dice.choice([0.0, 5.0]), read_ms=10.0))
    trades = tape(dice, instruments, models.latency, 0.02 if reckless else dice.choice([0.0, 0.0, 0.005]))
    symbols = [terms.symbol for terms in instruments]
    span = (trades[0].ts_ns, trades[-1].ts_ns)
    balance = D(dice.choice([2_000, 10_000, 250_000]))
    if instruments[0].kind is ContractKind.INVERSE:
        balance = D(dice.choice(["20", "400"]))
    leverage, risk = D(dice.choice([1, 3, 10, 10, 20, 20, 50])), rules(dice)
    if reckless:
        risk = replace(RECKLESS, trailing=dice.random() < 0.5, margin_guard=D(dice.choice(["0.3", "0.6"])))
        leverage, balance = D(dice.choice([10, 20])), balance / 10
    boldest = min(risk.size_cap, leverage * risk.margin_guard)
    return World(
        Setup(
            instruments=instruments,
            strategies=gamblers(dice, symbols, float(boldest), reckless=reckless),
            balance=balance,
            leverage=leverage,
            risk=risk,
            models=models,
            start_ns=dice.choice([0, span[0] - dice.randint(0, 20) * NS_PER_S]),
            amend_stop=dice.random() < 0.5,
            funding={symbol: settlements(dice, span) for symbol in symbols if dice.random() < 0.5},
            interest={symbol: readings(dice, span) for symbol in symbols} if dice.random() < 0.2 else {},
        ),
        trades,
    )


def contracts(dice: Random) -> tuple[Instrument, ...]:
    """One to three that settle in one currency, with steep brackets or flat ones."""
    count = dice.choice([1, 1, 2, 2, 3])
    if dice.random() < 0.3:
        eth = replace(INVERSE, symbol="ETH/USD:BTC", venue_symbol="ETHUSD", base="ETH", contract_size=D(10))
        sol = replace(INVERSE, symbol="SOL/USD:BTC", venue_symbol="SOLUSD", base="SOL", tick_size=D("0.01"))
        made = [INVERSE, eth, sol]
    else:
        ape = replace(
            LINEAR, symbol="APE/USDT:USDT", venue_symbol="APEUSDT", base="APE", tick_size=D("0.0001")
        )
        made = [LINEAR, replace(ape, lot_size=D(1), min_size=D(1), max_size=D(10**9)), MULTIPLIED]
    dice.shuffle(made)
    if dice.random() < 0.5:
        steep = tiers(("1000", "50", "0.01"), ("20000", "20", "0.025"), ("1000000", "5", "0.1"))
        made = [replace(terms, tiers=steep) for terms in made]
    return tuple(replace(terms, max_market_size=D(10**9)) for terms in made[:count])


# -- tapes --------------------------------------------------------------------------------------


def tape(dice: Random, instruments: Sequence[Instrument], latency: Latency, wild: float) -> list[Trade]:
    """Bursts of one moment, gaps of minutes, jumps; sometimes all on round times, often over midnight."""
    grain = dice.choice([1, MS, 50 * MS, 250 * MS, NS_PER_S])
    pace = dice.choice([30 * MS, 150 * MS, 500 * MS])
    length = dice.choice([60, 300, 300, 700])
    now = MIDNIGHT + dice.choice([-1, -30, -300, 3600]) * NS_PER_S + dice.randint(0, 10**9) // grain * grain
    prices = [dice.choice([150, 300, 300, 5_000, 600_000]) for _ in instruments]
    moving = [dice.choice([0.0001, 0.0005, 0.003]) for _ in instruments]
    trades: list[Trade] = []
    heard = 0
    for _ in range(length):
        now += step(dice, pace) // grain * grain
        place = dice.randrange(len(instruments))
        prices[place] = moved(dice, prices[place], moving[place], wild)
        late = dice.choice([0, 0, dice.randint(0, 300 * MS)]) if latency.recorded else 0
        heard = max(heard, now + latency.feed_ns + late)
        lots = dice.choice([1, 5, 50, 2_000])
        trades.append(Trade(ts_ns=now, heard_ns=heard, ticks=prices[place], lots=lots, place=place))
    return trades


def step(dice: Random, pace: int) -> int:
    roll = dice.random()
    if roll < 0.25:
        return 0
    if roll > 0.997:
        return dice.randint(30, 240) * NS_PER_S
    return int(dice.expovariate(1 / pace))


def moved(dice: Random, ticks: int, share: float, wild: float) -> int:
    if dice.random() < 0.3:
        return ticks
    change = dice.gauss(0, share)
    if dice.random() < wild:
        change += dice.choice([-1, 1]) * dice.uniform(0.01, 0.3)
    return max(20, round(ticks * (1 + change)) + dice.choice([-1, 0, 1]))


def batches(trades: Sequence[Trade], size: int) -> Iterator[Ticks]:
    """The tape in pieces of at most ``size`` trades; an empty one is among them."""
    edges = [*range(0, len(trades), size), len(trades)]
    for number, (begin, end) in enumerate(pairwise(edges)):
        if number == 1:
            yield columns([])
        yield columns(trades[begin:end])


def columns(trades: Sequence[Trade]) -> Ticks:
    names = ("ts_ns", "heard_ns", "ticks", "lots", "place")
    return Ticks(*(np.array([getattr(each, name) for each in trades], dtype=np.int64) for name in names))


# -- what is assumed ----------------------------------------------------------------------------


def models_of(dice: Random) -> Models:
    return Models(
        latency=latency_of(dice),
        slippage=dice.choice(
            [FixedSlippage(0), FixedSlippage(1), FixedSlippage(7),
             SquareRootImpact(half_spread=2, impact_ticks=3.0, typical_lots=100)]
        ),
        queue=dice.choice([TradeThrough(), TouchFill(), QueueAhead(0), QueueAhead(40)]),
        maker_fee=dice.choice([None, -0.0001, 0.0]),
        taker_fee=dice.choice([None, 0.0, 0.001]),
        mark_every_s=dice.choice([0.1, 0.5, 1.0, 1.0, 3.0]),
        seed=dice.randrange(10**9),
    )  # fmt: skip


def latency_of(dice: Random) -> Latency:
    feed = dice.choice([0.0, 0.0, 0.0, 5.0, 5.0, 100.0, 100.0, 1000.0, 6000.0])
    recorded = dice.random() < 0.2
    if dice.random() < 0.6:
        return ConstantLatency(
            feed_ms=feed,
            entry_ms=dice.choice([0.0, 0.0, 25.0, 25.0, 250.0, 1000.0, 4000.0]),
            answer_ms=dice.choice([0.0, 0.0, 25.0, 25.0, 250.0, 1000.0, 4000.0]),
            read_ms=dice.choice([0.0, 50.0, 50.0, 500.0, 500.0, 3000.0]),
            recorded=recorded,
        )
    if dice.random() < 0.7:
        entry, answer = (dice.choice([1.0, 25.0, 500.0]) for _ in range(2))
        spread = dice.choice([0.1, 0.5, 2.0])
        return SampledLatency(
            feed_ms=feed, entry_ms=entry, answer_ms=answer, spread=spread, recorded=recorded
        )
    times = (0, 10 * MS, 100 * MS, 1000 * MS)
    return MeasuredLatency(entries_ns=times, answers_ns=times[1:], feed_ms=feed, recorded=recorded)


def rules(dice: Random) -> RiskSettings:
    """Raised caps, so that breaker, guard and liquidation are reached; the rest by chance."""
    return RiskSettings(
        size_cap=D(dice.choice(["0.03", "3", "10", "10", "10"])),
        cap_basis=dice.choice(list(CapBasis)),
        slippage_collar=D(dice.choice(["0.005", "0.05"])),  # of the book: a coarse one is wider
        margin_check=dice.random() < 0.7,
        stop_liquidation_buffer=D(dice.choice(["0", "0.005"])),
        account_max_age_s=dice.choice([0.5, 2.0, 10.0, 10.0]),
        intent_expiry_s=dice.choice([0.5, 2.0, 10.0, 10.0]),
        trailing=dice.random() < 0.8,
        trail_period=dice.randint(2, 6),
        trail_multiple=D(dice.choice(["0.5", "2.5"])),
        trail_min_step=D(dice.choice(["0", "0.1", "1"])),
        trail_timeframe=dice.choice(["", "", "4s", "6s"]),
        funding_gate=D(dice.choice(["0.0005", "1", "1"])),
        funding_gate_shorts=dice.random() < 0.5,
        open_interest_window_s=300.0,
        open_interest_max_age_s=dice.choice([5.0, 180.0]),
        breaker_drop=D(dice.choice(["0.02", "0.08", "0.3", "1", "1"])),
        breaker_window_s=dice.choice([10.0, 30.0, 300.0]),
        on_trip=dice.choice(list(OnTrip)),
        margin_guard=D(dice.choice(["0.3", "0.6", "0.85"])),
        margin_guard_period_s=dice.choice([0.5, 3.0, 3.0, 7.0]),
        max_gross_exposure=D(dice.choice(["0", "0", "5"])),
        max_entries_per_hour=dice.choice([0, 0, 0, 20]),
        max_daily_loss=D(dice.choice(["0", "0", "0.05"])),
        stop_deadline_s=dice.choice([3.0, 10.0]),
        flatten_deadline_s=15.0,
    )


def gamblers(dice: Random, symbols: list[str], boldest: float, *, reckless: bool) -> tuple[Gambler, ...]:
    """Of all symbols together, or of each its own; one may go without."""
    groups = [symbols] if dice.random() < 0.4 else [[symbol] for symbol in symbols]
    if len(groups) > 1 and dice.random() < 0.2:
        groups.pop()
    frames = TIMEFRAMES[:3] if reckless else TIMEFRAMES
    timeframe = dice.choice(frames)
    made = []
    for group in groups:
        kind: type[Gambler] = dice.choice([Gambler, Gambler, Gambler, Listener, Reader])
        if dice.random() < 0.5:
            timeframe = dice.choice(frames)
        params: dict[str, Any] = {
            "seed": dice.randrange(10**9), "eager": dice.choice([0.1, 0.5, 0.9]),
            "bold": dice.choice([0.02, 0.4, 0.8, 0.9, 0.97]) * boldest,
        }  # fmt: skip
        made.append(kind(group, timeframe=timeframe, **params))
    return tuple(made)


def settlements(dice: Random, span: tuple[int, int]) -> tuple[Funding, ...]:
    """From before the start on, on whole seconds, or at any moment."""
    times = {dice.randint(span[0] - 9 * 3600 * NS_PER_S, span[0]) for _ in range(2)}
    times |= {dice.randint(*span) for _ in range(3)}
    times |= {dice.randint(*span) // NS_PER_S * NS_PER_S for _ in range(3)}
    rates = [D(dice.choice(["0.0001", "-0.0002", "0.0006", "-0.001", "0.01"])) for _ in times]
    return tuple(Funding(ts_ns, rate) for ts_ns, rate in zip(sorted(times), rates, strict=True))


def readings(dice: Random, span: tuple[int, int]) -> tuple[Interest, ...]:
    every = dice.choice([5, 60]) * NS_PER_S
    times = range(span[0] - 400 * NS_PER_S, span[1], every)
    return tuple(Interest(ts_ns, D(dice.randint(900, 1000))) for ts_ns in times)
