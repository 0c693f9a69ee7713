"""Live against replayed, order by order, and what the differences say of the models."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from statistics import median
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from contractdesk.domain.commands import Command
from contractdesk.domain.events import AccountRead, Event, VenueStateRead, WalletChanged
from contractdesk.domain.fills import Liquidity
from contractdesk.domain.instrument import Instrument
from contractdesk.engine.engine import Engine
from contractdesk.replay.models import ConstantLatency, Models
from contractdesk.replay.reports.wording import moment
from contractdesk.replay.session import Session
from contractdesk.replay.stories import Story, stories

if TYPE_CHECKING:
    import pandas as pd

NS_PER_MS = 1_000_000
ROUND_TRIP = "round_trip"  # the sum of the legs: shown, and off only where one of them is
DRAWN = 201  # delays of a model, for its median
FEWEST = 3  # orders: of fewer nothing is concluded
NEAR_MS, NEAR_SHARE = 10.0, 0.25  # a latency this close is as assumed
NEAR_TICKS = 1.0


class Latency(Struct, frozen=True, kw_only=True):
    """Medians of one leg, milliseconds, of the session and of the model; None: too few orders tell it."""

    leg: str
    live_ms: float | None
    assumed_ms: float

    @property
    def off(self) -> bool:
        """The assumption is farther from what was measured than chance explains."""
        if self.live_ms is None:
            return False
        return abs(self.live_ms - self.assumed_ms) > max(NEAR_MS, NEAR_SHARE * abs(self.live_ms))


class TwinReport(Struct, kw_only=True):
    """What became of a session when it was run again."""

    start_ns: int
    end_ns: int
    live: dict[str, Story]
    replayed: dict[str, Story]
    latencies: tuple[Latency, ...]
    slippage_ticks: tuple[float, ...]  # live fill against replayed, of taking orders; + live was worse
    wallets: tuple[Decimal, Decimal]  # at the end: live, replayed
    resting: tuple[int, int]  # orders that rested in both: filled live only, filled in the replay only
    divergence: str  # the first difference of the orders; "" = they are the same
    cut: bool
    what_if: bool
    engine: Engine
    models: Models

    @property
    def same_commands(self) -> bool:
        """Every order was sent again, in the same order, with the same terms, amendments and cancels."""
        return not self.divergence

    @property
    def verdicts(self) -> tuple[str, ...]:
        """What is off, in words: each names the model and what would fit."""
        found = [_latency_words(row) for row in self.latencies if row.off and row.leg != ROUND_TRIP]
        if len(self.slippage_ticks) >= FEWEST:
            mean = sum(self.slippage_ticks) / len(self.slippage_ticks)
            if abs(mean) > NEAR_TICKS:
                word = "worse" if mean > 0 else "better"
                found.append(
                    f"slippage: live fills were {abs(mean):.1f} ticks {word} than replayed, "
                    f"over {len(self.slippage_ticks)} taking orders"
                )
        found += _queue_words(self.resting, self.models)
        if self.divergence and not self.what_if:
            found.append(f"orders: {self.divergence}")
        if self.cut:
            found.append("record: it has a hole, and was replayed up to it")
        return tuple(found)

    @property
    def fitted(self) -> ConstantLatency | None:
        """The latency model that the live session suggests; None where it had too few orders."""
        legs = {row.leg: row.live_ms for row in self.latencies}
        entry, answer = legs.get("entry"), legs.get("answer")
        if entry is None or answer is None:
            return None
        return ConstantLatency(
            feed_ms=self.models.latency.feed_ns / NS_PER_MS,
            entry_ms=round(max(0.0, entry), 1),
            answer_ms=round(max(0.0, answer), 1),
            read_ms=round(max(0.0, entry + answer), 1),
            recorded=self.models.latency.recorded,
        )

    @property
    def orders(self) -> pd.DataFrame:
        """One row an order: terms, fill prices, slippage in ticks, latencies of both worlds."""
        import pandas as pd

        names = [*self.live, *(name for name in self.replayed if name not in self.live)]
        rows = [self._row(self.live.get(name), self.replayed.get(name)) for name in names]
        columns = [
            "client_id", "symbol", "role", "side", "size", "in", "live_price", "replayed_price",
            "live_worse_by", "live_round_trip_ms", "replayed_round_trip_ms",
        ]  # fmt: skip
        return pd.DataFrame(rows, columns=columns)

    def _row(self, live: Story | None, replayed: Story | None) -> tuple[Any, ...]:
        told = live or replayed
        if told is None:
            raise ValueError("an order of neither world")
        where = "both" if live and replayed else "live only" if live else "replay only"
        prices = [None if story is None else story.fill_price for story in (live, replayed)]
        worse = None
        if prices[0] is not None and prices[1] is not None:
            worse = float(prices[0] - prices[1]) * (1 if told.side == "buy" else -1)
        return (
            told.client_id,
            told.symbol,
            told.role,
            told.side,
            float(told.size),
            where,
            *(None if price is None else float(price) for price in prices),
            worse,
            live.round_trip_ms if live else None,
            replayed.round_trip_ms if replayed else None,
        )

    def __repr__(self) -> str:
        head = "what if" if self.what_if else "twin"
        same = "the same orders" if self.same_commands else f"other orders ({self.divergence})"
        lines = [
            f"{head}: {len(self.live)} orders live, {len(self.replayed)} replayed: {same}",
            f"  {moment(self.start_ns)} to {moment(self.end_ns)} UTC",
            f"  wallet: live {self.wallets[0]:.2f}, replayed {self.wallets[1]:.2f}",
        ]
        lines += [
            f"  {row.leg}: live {_ms(row.live_ms)}, assumed {_ms(row.assumed_ms)}" for row in self.latencies
        ]
        lines += [f"  off: {words}" for words in self.verdicts] or ["  the models fit what was measured"]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        from html import escape

        return f"<pre>{escape(repr(self))}</pre>{self.orders.to_html(index=False, max_rows=50)}"


def compared(
    session: Session,
    models: Models,
    commands: Sequence[tuple[int, Command]],
    events: Sequence[Event],
    *,
    what_if: bool,
    engine: Engine,
    wallet: Decimal,
) -> TwinReport:
    """Set the two worlds against each other."""
    offset_ms = session.state.clock_offset_ms
    live, replayed = stories(session.commands, session.inputs, offset_ms), stories(commands, events, 0.0)
    terms = {symbol: market.instrument for symbol, market in engine.view.symbols.items()}
    return TwinReport(
        start_ns=session.start_ns,
        end_ns=session.inputs[-1].ts_ns,
        live=live,
        replayed=replayed,
        latencies=tuple(_latency(leg, live, assumed) for leg, assumed in _assumed(models).items()),
        slippage_ticks=tuple(_slippage(live, replayed, terms)),
        wallets=(_wallet(session), wallet),
        resting=_resting(live, replayed),
        divergence=_divergence(live, replayed),
        cut=session.cut,
        what_if=what_if,
        engine=engine,
        models=models,
    )


def _wallet(session: Session) -> Decimal:
    """What the venue said last."""
    for event in reversed(session.inputs):
        match event:
            case WalletChanged(wallet_balance=balance):
                return balance
            case AccountRead(account=account) | VenueStateRead(account=account):
                return account.wallet_balance
            case _:
                pass
    return session.wallet


def _divergence(live: dict[str, Story], replayed: dict[str, Story]) -> str:
    """The first order in which the two differ, in words."""
    for mine, theirs in zip(live.values(), replayed.values(), strict=False):
        if mine.terms != theirs.terms:
            return f"live sent {_order_words(mine)}, the replay {_order_words(theirs)}"
        if mine.changes != theirs.changes:
            return f"{_order_words(mine)}: live {_change_words(mine)}, the replay {_change_words(theirs)}"
    if len(live) != len(replayed):
        longer, name = (live, "live") if len(live) > len(replayed) else (replayed, "the replay")
        extra = list(longer.values())[min(len(live), len(replayed))]
        return f"only {name} sent {_order_words(extra)}"
    return ""


def _order_words(story: Story) -> str:
    at = "" if story.price is None else f" at {story.price}"
    return f"{story.role} {story.side} {story.size} {story.symbol}{at} ({story.client_id})"


def _change_words(story: Story) -> str:
    words = (
        "cancelled it" if each is None else f"amended it to {each[0]} at {each[1]}" for each in story.changes
    )
    return ", ".join(words) or "left it"


def _assumed(models: Models) -> dict[str, float]:
    """Median milliseconds of each leg, as the model draws them."""
    delays = models.latency.start(models.seed)
    entries, answers = zip(*((delays.entry_ns(), delays.answer_ns()) for _ in range(DRAWN)), strict=True)
    entry, answer = median(entries) / NS_PER_MS, median(answers) / NS_PER_MS
    return {"entry": entry, "answer": answer, ROUND_TRIP: entry + answer}


def _latency(leg: str, live: dict[str, Story], assumed_ms: float) -> Latency:
    times = [value for story in live.values() if (value := getattr(story, f"{leg}_ms")) is not None]
    return Latency(leg=leg, live_ms=median(times) if len(times) >= FEWEST else None, assumed_ms=assumed_ms)


def _slippage(
    live: dict[str, Story], replayed: dict[str, Story], terms: dict[str, Instrument]
) -> Iterable[float]:
    """Ticks by which each taking order of both was filled worse live."""
    for name, mine in live.items():
        theirs = replayed.get(name)
        if theirs is None or mine.terms != theirs.terms or mine.symbol not in terms:
            continue
        one, other = mine.fill_price, theirs.fill_price
        taking = all(fill.liquidity is Liquidity.TAKER for fill in (*mine.fills, *theirs.fills))
        if one is not None and other is not None and taking:
            sign = 1 if mine.side == "buy" else -1
            yield float((one - other) / terms[mine.symbol].tick_size) * sign


def _resting(live: dict[str, Story], replayed: dict[str, Story]) -> tuple[int, int]:
    """Of the limit orders that both have sent: how many filled in one world alone."""
    pairs = [
        (mine, replayed[name])
        for name, mine in live.items()
        if mine.price is not None and mine.role in ("entry", "exit") and name in replayed
    ]
    same = [(mine, theirs) for mine, theirs in pairs if mine.terms == theirs.terms]
    return (
        sum(bool(mine.fills) and not theirs.fills for mine, theirs in same),
        sum(bool(theirs.fills) and not mine.fills for mine, theirs in same),
    )


def _queue_words(resting: tuple[int, int], models: Models) -> list[str]:
    live_only, replay_only = resting
    if not live_only and not replay_only:
        return []
    word = "too cautious" if live_only > replay_only else "too hopeful"
    return [
        f"queue: {live_only} resting orders filled live only, {replay_only} in the replay only: "
        f"{models.queue!r} is {word}"
    ]


def _latency_words(row: Latency) -> str:
    return (
        f"latency: the {row.leg} took {_ms(row.live_ms)} live, {_ms(row.assumed_ms)} is assumed "
        f"({row.leg}_ms)"
    )


def _ms(value: float | None) -> str:
    return "not told" if value is None else f"{value:.1f} ms"
