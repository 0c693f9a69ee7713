"""The breaker: too much lost, of the equity, in too short a time.

With P the profit of the whole account (unrealized + realized - fees + funding; transfers are none)
and E the margin balance, it trips when the least (P(now) - P(t)) / E(t) over the samples t in
[now - window, now] is <= -drop, or when E <= 0.

E(t) > 0 makes that the same as: the largest K(t) = P(t) - drop * E(t) in the window is >= P(now). So a
queue of the samples that no later one is above (its front is the largest) answers exactly, in constant
time a sample; the samples themselves are kept because another ``drop`` has other K.

Where nothing was measured for a while, the last sample stands until the next one: what was lost meanwhile
was lost from there, however long the silence was.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Iterable
from decimal import Context, Decimal
from typing import Any

from msgspec import Struct, field

from contractdesk.domain.instrument import ZERO
from contractdesk.domain.intents import Finding
from contractdesk.domain.views import DeskView
from contractdesk.risk.proposal import Proposal
from contractdesk.risk.words import failed, number, passed

NS_PER_S = 1_000_000_000
LONGEST_NS = 900 * NS_PER_S  # the largest window that can be set
SILENT_NS = 5 * NS_PER_S  # without a sample: at most the step of a replay's marks goes unsaid
MOST_LATER = 256  # left for later at once
ROUGH = 1e-9  # relative, of floats that bound decimals
KEPT = 20_000  # samples; beyond, pairs become one, the more cautious of the two
RESET = 'desk.risk.reset("breaker", reason="...")'

_exact = Context(prec=200)  # money has some 30 digits, a setting some more: nothing is ever rounded


class Sample(Struct, frozen=True):
    ts_ns: int
    profit: Decimal
    equity: Decimal  # > 0


class Later(Struct, frozen=True):
    """Samples that are made when somebody asks for them: none of them is a reason to trip."""

    newest_ns: int
    key: float  # at least the K of each
    samples: Callable[[], Iterable[Sample]]
    same: object = None  # of two with the same one, the later says all that both say; None: of no other


class Breaker(Struct, kw_only=True):
    """The samples of the window, and the latch. ``ts_ns`` never goes back."""

    samples: list[Sample] = field(default_factory=list)  # of the longest window, oldest first
    peaks: list[Sample] = field(default_factory=list)  # of this window; K falls strictly
    drop: Decimal = ZERO  # for which, and for which window, ``peaks`` is
    window_ns: int = 0
    profit: Decimal = ZERO  # now
    equity: Decimal = ZERO
    later: list[Any] = field(default_factory=list)  # Sample or Later: after ``samples``, oldest first
    older: list[Any] = field(default_factory=list)  # Later, before the window: made for another one only
    top: float = -math.inf  # at least the largest K of ``peaks`` and ``later``
    reason: str = ""  # not empty: it has tripped, and is latched until a person resets it
    resume_too: bool = False  # latched, and something else stopped the desk that only resume() ends

    def take(self, ts_ns: int, profit: Decimal, equity: Decimal, drop: Decimal, window_ns: int) -> bool:
        """Take in a sample; True when this is a reason to trip. ``drop`` > 0, window <= LONGEST_NS."""
        self._bridge(ts_ns, drop, window_ns)
        sample = Sample(ts_ns, profit, equity)
        if self.later and self._clear(sample, drop, window_ns):
            self._leave(Later(ts_ns, float(self._key(sample)), lambda: (sample,)))
            return False
        self.settle()
        self.profit, self.equity = profit, equity
        return equity <= 0 or self._take(sample, drop, window_ns)

    def reset(self) -> None:
        """Unlatch, and begin anew: what was lost before does not count again."""
        self.samples, self.peaks, self.later, self.older = [], [], [], []
        self.reason, self.resume_too = "", False
        self.top = -math.inf

    def defer(self, later: Later, drop: Decimal, window_ns: int) -> None:
        """Take in samples of which it is known that none trips; they are made when they are asked for."""
        if (drop, window_ns) != (self.drop, self.window_ns):
            self.settle()
            self._retune(drop, window_ns, later.newest_ns)
        self._leave(later)

    def settle(self) -> None:
        """Make all samples that were left for later."""
        if not self.later:
            return
        later, self.later = self.later, []
        newest_ns = later[-1].newest_ns
        self.older += [each for each in later if each.newest_ns < newest_ns - self.window_ns]
        self.older = [each for each in self.older if each.newest_ns >= newest_ns - LONGEST_NS]
        for each in later:
            if each.newest_ns < newest_ns - self.window_ns:
                continue  # only another window could ask for them
            self._take_all(each.samples())

    def make_all(self) -> None:
        """Leave nothing for later: what remains is plain samples."""
        self.settle()
        self._remember()

    def tighten(self) -> None:
        """Let ``top`` be of this window's samples alone."""
        self.settle()
        self.top = float(self._key(self.peaks[0])) if self.peaks else -math.inf

    def drawdown(self, now_ns: int) -> Decimal | None:
        """Profit since the sample that is nearest to tripping, of the equity then (<= 0); None: unknown."""
        self.settle()
        if self.equity <= 0 and self.samples:
            return Decimal(-1)
        place = _first(self.peaks, now_ns - self.window_ns)
        if place == len(self.peaks):
            return ZERO if self.samples else None
        peak = self.peaks[place]
        return min(ZERO, (self.profit - peak.profit) / peak.equity)

    def drawdown_after(self, now_ns: int, change: Decimal) -> Decimal | None:
        """What ``drawdown`` would be, were the profit greater by ``change`` now; None: unknown."""
        self.settle()
        if self.equity <= 0 and self.samples:
            return Decimal(-1)
        window = self.samples[_first(self.samples, now_ns - self.window_ns) :] or self.samples[-1:]
        falls = [(self.profit + change - sample.profit) / sample.equity for sample in window]
        return min([ZERO, *falls]) if falls else None

    def _bridge(self, ts_ns: int, drop: Decimal, window_ns: int) -> None:
        """A silence ends: until just now the last sample stood."""
        newest = self.later[-1].newest_ns if self.later else self.samples[-1].ts_ns if self.samples else ts_ns
        if ts_ns - newest > SILENT_NS:
            self.settle()
            self._take(_later(self.samples[-1], ts_ns - 1), drop, window_ns)

    def _clear(self, sample: Sample, drop: Decimal, window_ns: int) -> bool:
        """For sure no reason to trip: it is above everything that is remembered, even in the rough."""
        profit, same = float(sample.profit), (drop, window_ns) == (self.drop, self.window_ns)
        return same and sample.equity > 0 and profit - ROUGH * (1 + abs(profit)) > self.top

    def _take(self, sample: Sample, drop: Decimal, window_ns: int) -> bool:
        self._keep(sample)
        if (drop, window_ns) == (self.drop, self.window_ns):
            self._push(self.samples[-1])
        else:
            self._retune(drop, window_ns, sample.ts_ns)
        del self.peaks[: _first(self.peaks, sample.ts_ns - window_ns)]
        self.top = max(self.top, float(self._key(sample)))
        return self._key(self.peaks[0]) >= sample.profit

    def _take_all(self, samples: Iterable[Sample]) -> None:
        """``_take`` of each: what leaves the window at the end would have left it on the way."""
        sample: Sample | None = None
        key: Decimal | None = None
        for sample in samples:
            self._keep(sample, trim=False)
            key = self._push(sample, key)
        if sample is None:
            return
        self.profit, self.equity = sample.profit, sample.equity
        self.top = max(self.top, float(self._key(self.peaks[0])))
        del self.samples[: _first(self.samples, sample.ts_ns - LONGEST_NS)]
        del self.peaks[: _first(self.peaks, sample.ts_ns - self.window_ns)]

    def _retune(self, drop: Decimal, window_ns: int, ts_ns: int) -> None:
        """Another ``drop`` has other K, another window other samples."""
        self._remember()
        self.drop, self.window_ns, self.peaks = drop, window_ns, []
        for sample in self.samples[_first(self.samples, ts_ns - window_ns) :]:
            self._push(sample)
        self.tighten()

    def _remember(self) -> None:
        if self.older:
            made = [sample for each in self.older for sample in each.samples()]
            self.samples, self.older = sorted([*made, *self.samples], key=_time), []

    def _leave(self, later: Later) -> None:
        if later.same is not None and self.later and self.later[-1].same is later.same:
            self.later[-1] = later
            return
        self.later.append(later)
        self.top = max(self.top, later.key)
        if len(self.later) >= MOST_LATER:
            old_ns = later.newest_ns - LONGEST_NS
            self.later = [each for each in self.later if each.newest_ns >= old_ns]
            if len(self.later) >= MOST_LATER // 2:
                self.settle()

    def _keep(self, sample: Sample, *, trim: bool = True) -> None:
        samples = self.samples
        last = samples[-1] if samples else None
        if last is not None and last.profit == sample.profit and last.equity == sample.equity:
            samples[-1] = sample  # the same K, for longer
        else:
            samples.append(sample)
        if trim or len(samples) > KEPT:
            del samples[: _first(samples, sample.ts_ns - LONGEST_NS)]
        if len(samples) > KEPT:
            self._thin()

    def _thin(self) -> None:
        """Half as many: of two the one with the larger K, at the later time. Errs to tripping."""
        old, last = self.samples[:-1], self.samples[-1]
        pairs = zip(old[::2], old[1::2], strict=False)
        merged = [_later(max(pair, key=self._key), pair[1].ts_ns) for pair in pairs]
        self.samples = [*merged, *([old[-1]] if len(old) % 2 else []), last]

    def _push(self, sample: Sample, last: Decimal | None = None) -> Decimal:
        """Returns its K; ``last`` is that of the last peak, where it is known."""
        key, peaks = self._key(sample), self.peaks
        while peaks and (self._key(peaks[-1]) if last is None else last) <= key:
            peaks.pop()
            last = None
        peaks.append(sample)
        return key

    def _key(self, sample: Sample) -> Decimal:
        return _exact.subtract(sample.profit, _exact.multiply(self.drop, sample.equity))


class BreakerRule(Struct, frozen=True):
    """No entry while the breaker is latched; its gauge says how far it is from tripping."""

    drop: Decimal
    window_s: float

    def review(self, proposal: Proposal, view: DeskView) -> Finding:  # noqa: ARG002  (a Rule)
        return self.gauge(view)

    def gauge(self, view: DeskView) -> Finding:
        limit = f"> -{number(self.drop * 100)} % of equity within {self.window_s:g} s"
        if view.breaker_reason:
            return failed("breaker", f"tripped: {view.breaker_reason}", limit, RESET)
        drawdown = view.drawdown
        if drawdown is None:
            return passed("breaker", "nothing measured yet", limit)
        left = max(ZERO, self.drop + drawdown)
        found = f"{_percent(drawdown)} within {self.window_s:g} s"
        return passed("breaker", found, limit, f"{_percent(left)} of equity")


def drawdown_words(drawdown: Decimal | None, window_s: float) -> str:
    """What tripped it: "-8.31 % of equity within 300 s"."""
    if drawdown is None or drawdown <= -1:
        return "no equity is left"
    return f"{_percent(drawdown)} of equity within {window_s:g} s"


def _percent(share: Decimal) -> str:
    return f"{share * 100:.2f} %"


def _later(sample: Sample, ts_ns: int) -> Sample:
    return Sample(ts_ns, sample.profit, sample.equity)


def _first(samples: list[Sample], since_ns: int) -> int:
    """The place of the first sample that is not older."""
    if samples and samples[0].ts_ns >= since_ns:
        return 0
    return bisect_left(samples, since_ns, key=_time)


def _time(sample: Sample) -> int:
    return sample.ts_ns
