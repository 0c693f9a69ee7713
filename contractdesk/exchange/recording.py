"""A recorded market: a capture drives the background book, its prints pass through users' orders.

``MarketClock`` is the one place where recorded time becomes wall time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from fractions import Fraction

from contractdesk.errors import ConfigError
from contractdesk.exchange.captures import Frame
from contractdesk.exchange.market import Depth, Level, MarkTick, Message, Print
from contractdesk.exchange.prints import NS_PER_S, Prints
from contractdesk.exchange.words import Reason, Refused, Side

FUNDING_INTERVAL_NS = 8 * 3600 * NS_PER_S  # recorded time
MARK_INTERVAL_NS = NS_PER_S  # wall time, once the recording has ended


class MarketClock:
    """Recorded time to wall time and back: ``speed`` recorded seconds pass in a wall second."""

    def __init__(self, recorded_ns: int, wall_ns: int, speed: Decimal | float = 1) -> None:
        """The two instants are the same one. ConfigError for a speed that is not positive."""
        if not speed > 0:
            raise ConfigError(f"speed {speed} is not positive")
        self._recorded_ns = recorded_ns
        self._wall_ns = wall_ns
        self._speed = Fraction(speed)

    def wall(self, recorded_ns: int) -> int:
        return self._wall_ns + self.wall_length(recorded_ns - self._recorded_ns)

    def recorded(self, wall_ns: int) -> int:
        return self._recorded_ns + int((wall_ns - self._wall_ns) * self._speed)

    def wall_length(self, recorded_ns: int) -> int:
        """How long a stretch of recorded time takes."""
        return round(recorded_ns / self._speed)

    def delay(self, wall_ns: int) -> None:
        """The recording stood still for a while."""
        self._wall_ns += wall_ns


class RecordedMarket:
    """One symbol's recorded background; at its end it stands still and prints its last mark."""

    def __init__(
        self,
        frames: Iterator[Frame],
        start_ns: int,
        *,
        speed: Decimal | float = 1,
        history_s: float = 60,
    ) -> None:
        """The first ``history_s`` recorded seconds are history when the market opens at ``start_ns``."""
        self._frames = frames
        first = next(frames, None)
        if first is None:
            raise ConfigError("the recording is empty")
        self._first = first
        self._opening_ns = first.recorded_ns + round(history_s * NS_PER_S)
        self.clock = MarketClock(self._opening_ns, start_ns, speed)
        self._frame: Frame | None = first
        self._tick: MarkTick | None = None
        self._next_ns = start_ns

    @property
    def next_ns(self) -> int:
        return self._next_ns

    @property
    def funding_interval_ns(self) -> int:
        return self.clock.wall_length(FUNDING_INTERVAL_NS)

    @property
    def ended(self) -> bool:
        """True when the recording has been played to its end."""
        return self._frame is None

    def open(self, prints: Prints) -> tuple[Depth, MarkTick]:
        levels: dict[Side, dict[int, int]] = {Side.BUY: {}, Side.SELL: {}}
        while (frame := self._frame) is not None:
            if frame.recorded_ns >= self._opening_ns and self._tick is not None:
                break
            self._remember(frame, prints, levels)
            self._advance()
        if self._tick is None or not levels[Side.BUY] or not levels[Side.SELL]:
            raise ConfigError("the recording has no book or no mark price before its opening")
        return Depth(_shown(levels[Side.BUY]), _shown(levels[Side.SELL])), self._tick

    def pop(self) -> Sequence[Message]:
        if self._frame is None:
            self._next_ns += MARK_INTERVAL_NS
            return () if self._tick is None else (self._tick,)
        message = self._timed(self._frame.message)
        self._advance()
        return (message,)

    def sleep_until(self, now_ns: int) -> None:
        missed = max(0, now_ns - self._next_ns)
        self.clock.delay(missed)
        self._next_ns += missed

    def walk_to(self, tick: int, seconds: float) -> None:
        raise Refused(Reason.MARKET_NOT_STEERABLE, f"to {tick} ticks in {seconds} s")

    def _advance(self) -> None:
        self._frame = next(self._frames, None)
        if self._frame is None:
            self._next_ns += MARK_INTERVAL_NS
        else:
            self._next_ns = max(self._next_ns, self.clock.wall(self._frame.recorded_ns))

    def _timed(self, message: Depth | Print | MarkTick) -> Message:
        """The message with its times, if it has any, as wall times."""
        if not isinstance(message, MarkTick):
            return message
        self._tick = message._replace(next_funding_ns=self.clock.wall(message.next_funding_ns))
        return self._tick

    def _remember(self, frame: Frame, prints: Prints, levels: dict[Side, dict[int, int]]) -> None:
        match self._timed(frame.message):
            case Depth(bids=bids, asks=asks):
                levels[Side.BUY].update(bids)
                levels[Side.SELL].update(asks)
            case Print(side=side, tick=tick, lots=lots):
                ts_ns = self.clock.wall(frame.recorded_ns)
                prints.aggregate([prints.trade(ts_ns, tick, lots, buyer_is_maker=side is Side.SELL)])
            case _:
                pass


def _shown(levels: dict[int, int]) -> list[Level]:
    return [(tick, lots) for tick, lots in levels.items() if lots]
