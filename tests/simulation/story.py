"""One seed told from its beginning to its end: faults, calm, the last closing; and what came of it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from msgspec import Struct

from contractdesk.clock import NS_PER_S
from tests.simulation.books import Books
from tests.simulation.departures import Departures
from tests.simulation.oracle import Oracle, Verdict
from tests.simulation.person import Person, settled
from tests.simulation.plan import BEGINS_S, LASTS_S, Planned, plan
from tests.simulation.striking import Strikes
from tests.simulation.world import World

OPENS_WITHIN_S = 25.0
WELL_WITHIN_S = 30.0  # after the last fault
FLAT_WITHIN_S = 20.0
LAST_NEWS_S = 1.0  # until what is under way has been told
AGREED_WITHIN_S = 12.0  # the account is read every 5 s; a venue's clock that was set back takes longer
AGAIN_S = 1.0  # after which a person opens a desk again that could not be opened
LOOK_S = 0.1


class Outcome(Struct, frozen=True, kw_only=True):
    """What a story came to."""

    seed: int
    breach: str
    fills: int
    faults: int  # that have struck
    crashes: int
    entries: int
    virtual_s: float
    digest: str
    kinds: tuple[str, ...]  # planned


class Story:
    """Tells one; ``faults`` None: the seed's own plan."""

    def __init__(self, seed: int, faults: Sequence[Planned] | None = None, lasts_s: float = LASTS_S) -> None:
        self.world = World(seed)
        self.faults = plan(seed) if faults is None else tuple(faults)
        self._lasts_s = lasts_s
        self.verdict = Verdict(self.world)
        self.person = Person(seed, self.world.random("person"))
        self.books = Books(self.world.server)
        self.strikes = Strikes(self.world, self.faults, self._boot)
        self.oracle = Oracle(self.world, self.books, self.strikes, self.person, self.verdict)
        self.departures = Departures(self.world, self.books, self.oracle, self.person, self.verdict)
        self._life: asyncio.Task[None] | None = None  # the person's, at the desk that is open

    def tell(self) -> Outcome:
        """To its end, or to the first breach."""
        try:
            self._tell()
            return self._outcome()
        finally:
            self.world.close()

    def _tell(self) -> None:
        self.oracle.begin()
        self.world.control.call_later(LOOK_S, self._care)
        self._boot()
        for part in (self._open, self._trade, self._calm, self._close):
            if not self.verdict.breach:
                part()

    # -- parts -----------------------------------------------------------------------------

    def _open(self) -> None:
        if not self._until(lambda: self._up, OPENS_WITHIN_S) and not self.verdict.breach:
            self.verdict.found("LIVENESS", "the desk does not open")

    def _trade(self) -> None:
        self._until(lambda: False, BEGINS_S + self._lasts_s - self.world.timeline.now_s)

    def _calm(self) -> None:
        """The faults cease: within 30 s all is well, and stays so while nobody does anything."""
        self._until(lambda: not self._waiting, 8.0)
        self.strikes.lift()
        if not self._overcome():
            self.verdict.found(
                "LIVENESS", f"{WELL_WITHIN_S:.0f} s after the last fault {self.oracle.unwell()}"
            )

    def _overcome(self) -> bool:
        """Go on until all is well, for 30 s after the last fault at most; whether it is."""
        last_ns = max(self.world.timeline.now_ns, self.strikes.troubled_until_ns)
        left_s = (last_ns - self.world.timeline.now_ns) / NS_PER_S
        return self._until(lambda: not self.oracle.unwell(), left_s + WELL_WITHIN_S)

    def _close(self) -> None:
        desk = self.world.desk
        assert desk is not None
        if self._life is not None:
            self._life.cancel()
        desk.begin(self.person.leave(desk))
        self._until(lambda: settled(desk.host) and not any(self.books.own.values()), FLAT_WITHIN_S)
        self._until(lambda: False, LAST_NEWS_S)
        if not self._until(lambda: not self.oracle.unsettled()[0], AGREED_WITHIN_S):
            self.verdict.found(*self.oracle.unsettled())

    @property
    def _waiting(self) -> bool:
        """Some crash still waits for its moment, or for the desk to come back."""
        return self.strikes.waiting or self.world.desk is None

    def _until(self, done: object, seconds: float) -> bool:
        """Go on until ``done``, a breach, or so much later; True when done."""
        assert callable(done)
        self.world.run(seconds, lambda: bool(self.verdict.breach) or done())
        return bool(done())

    # -- the desk --------------------------------------------------------------------------

    @property
    def _up(self) -> bool:
        return self.world.desk is not None and self.world.desk.up

    def _boot(self) -> None:
        if self.world.desk is not None:
            return
        if not self.person.halt_kept:
            self.person.halted_ns = 0  # the disk did not take it, and nobody is left who knows
        desk, self._life = self.world.boot(), None
        if not desk.alike:
            self.verdict.found("RECOVERY", "two recoveries from the same files differ")
        if not desk.recovered and any(grave.up for grave in self.world.graves):
            self.verdict.found("RECOVERY", "nothing is recovered of a desk that was open")

    def _care(self) -> None:
        """The person comes to a desk that has opened, and opens one again that could not be."""
        self.world.control.call_later(LOOK_S, self._care)
        desk = self.world.desk
        if desk is None:
            return
        if desk.failure:
            self.world.kill()
            self.strikes.trouble(AGAIN_S)
            self.world.control.call_later(AGAIN_S, self._boot)
        elif desk.up and self._life is None:
            self._life = desk.begin(self.person.live(desk))

    def _outcome(self) -> Outcome:
        return Outcome(
            seed=self.world.seed,
            breach=self.verdict.breach,
            fills=self.books.fills,
            faults=self.strikes.injected,
            crashes=self.strikes.struck["crash"],
            entries=self.departures.entries,
            virtual_s=self.world.timeline.now_s,
            digest=self.world.trail.digest,
            kinds=tuple(sorted({planned.kind for planned in self.faults})),
        )
