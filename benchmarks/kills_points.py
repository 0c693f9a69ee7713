"""The crash points: how a kernel is brought to each of them, and dies there.

From inside, at a call that is wrapped (``kills_desk.die_at``), or from outside, when the exchange's log
shows the moment, which a fault of the exchange holds open. Each point has variants; the seed chooses.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from random import Random
from typing import Protocol

from kernels import Kernel
from kills_witness import ALGO, ORDER, NeverSeen, Witness

HELD_MS = 2_500  # an answer that must not come before the kill
LATE_MS = (200, 2_500)  # so much after it has arrived a request is executed
DIES_WITHIN_S = 30.0
PARTLY_TRIES = 6


class Scene(Protocol):
    """One cycle, as a crash point sees it."""

    kernel: Kernel
    witness: Witness
    random: Random
    size: str  # of one more entry
    variant: str
    states: tuple[str, ...]  # in one of which a person will have left the desk

    def entry(self, *, limit: float | None = None, size: str | None = None) -> str:
        """A cell that wishes one more entry in the position's direction."""

    def moved(self) -> str:
        """A cell that moves the stop nearer."""

    def quiet_after(self, ms: float) -> None:
        """From now so long may what is on its way still arrive."""

    def successor(self) -> Kernel:
        """A kernel that is ready to open the desk."""

    def opening(self) -> str:
        """The cell that does."""

    @property
    def buys(self) -> bool: ...

    @property
    def recovers_s(self) -> float:
        """How long that takes on this host: from the cell that opens the desk to its answer, and a little."""


def before_journal(scene: Scene) -> None:
    _dies_of(scene, "kd.die_at('journal')", scene.entry())


def before_send(scene: Scene) -> None:
    _dies_of(scene, "kd.die_at('submit', 'ENTRY')", scene.entry())


def after_send(scene: Scene) -> None:
    """Arrived, and executed only after the kill."""
    _late(scene, {"method": "POST", "role": "entry"})
    scene.kernel.send(scene.entry())
    _kill_at(scene, "POST", ORDER, "entry")


def unacknowledged(scene: Scene) -> None:
    """Executed, and neither the answer nor the private stream has told the desk."""
    _deafened(scene, {"method": "POST", "role": "entry"})
    scene.kernel.send(scene.entry())
    _kill_at(scene, "POST", ORDER, "entry", executed=True)


def partly_filled(scene: Scene) -> None:
    """A limit order for more than there is at the best price."""
    for _ in range(PARTLY_TRIES):
        scene.witness.mark()
        bid, ask = scene.witness.touch()
        price, there = ask if scene.buys else bid
        scene.kernel.send(scene.entry(limit=price, size=f"{there * 1.5 + 0.1:.3f}"))
        entry = scene.witness.until_asked("POST", ORDER, "entry")["client_id"]
        if scene.witness.until_status(entry, "PARTIALLY_FILLED", "FILLED"):
            time.sleep(scene.random.choice((0.0, 0.0, 0.05, 0.3)))
            scene.kernel.kill()
            return
    raise NeverSeen("an entry that is partly filled")


def before_stop(scene: Scene) -> None:
    _dies_of(scene, "kd.die_at('submit', 'STOP')", scene.entry())


def stop_unacknowledged(scene: Scene) -> None:
    match = {"method": "POST", "role": "stop"}
    scene.variant = scene.random.choice(("executed late", "executed"))
    if scene.variant == "executed":
        _deafened(scene, match, deaf=False)
    else:
        _late(scene, match)
    scene.kernel.send(scene.entry())
    _kill_at(scene, "POST", ALGO, "stop", executed=scene.variant == "executed")


def mid_replace(scene: Scene) -> None:
    """The new stop stands, and the old one is not cancelled yet."""
    _dies_of(scene, "kd.die_at('cancel', 'STOP')", scene.moved())


def cancel_unanswered(scene: Scene) -> None:
    match = {"method": "DELETE", "path": ALGO}
    scene.variant = scene.random.choice(("executed late", "executed"))
    if scene.variant == "executed":
        _deafened(scene, match)
    else:
        _late(scene, match)
    scene.kernel.send(scene.moved())
    _kill_at(scene, "DELETE", ALGO, executed=scene.variant == "executed")


def recovering(scene: Scene) -> None:
    """The second kernel dies at any moment of its recovery, and sometimes the third one, too."""
    deaths = scene.random.choice((1, 1, 2))
    successors = [scene.successor() for _ in range(deaths)]
    scene.variant = scene.random.choice(("covered", "bare"))
    if scene.variant == "bare":
        before_stop(scene)
    else:
        scene.kernel.kill()
    for successor in successors:
        scene.kernel.bury()
        scene.kernel = successor
        successor.send(scene.opening())
        waits_s = scene.random.uniform(0.0, scene.recovers_s)
        scene.variant += f", after {waits_s:.2f} s"
        time.sleep(waits_s)
        successor.kill()


def idle(scene: Scene) -> None:
    time.sleep(scene.random.uniform(0.0, 1.0))
    scene.kernel.kill()


def closing(scene: Scene) -> None:
    """While ``flatten``, ``close_position`` or ``close`` is at work."""
    verb = scene.random.choice(("flatten", "close_position", "close"))
    cell, role = {
        "flatten": ("kd.act('flatten')", "FLATTEN"),
        "close_position": ("kd.act('close_position', kd.BTC)", "EXIT"),
        "close": ("kd.act('close', leave='flatten')", "FLATTEN"),
    }[verb]
    if verb == "flatten":  # what was not on disk yet when it died, it does not know
        scene.states = ("REDUCING", "ACTIVE")
    moment = scene.random.choice(("before the send", "after the send", "executed"))
    scene.variant = f"{verb}, {moment}"
    match = {"method": "POST", "role": "reduce"}
    if moment == "before the send":
        _dies_of(scene, f"kd.die_at('submit', {role!r})", cell)
        return
    if moment == "executed":
        _deafened(scene, match)
    else:
        _late(scene, match)
    scene.kernel.send(cell)
    _kill_at(scene, "POST", ORDER, "reduce", executed=moment == "executed")


POINTS: dict[str, Callable[[Scene], None]] = {
    "before the journal has the intent": before_journal,
    "after the journal, before the send": before_send,
    "after the send, before the answer": after_send,
    "executed, not acknowledged": unacknowledged,
    "partly filled": partly_filled,
    "after the fill, before the stop": before_stop,
    "stop sent, not acknowledged": stop_unacknowledged,
    "new stop placed, old not cancelled": mid_replace,
    "between a cancel and its answer": cancel_unanswered,
    "during recovery": recovering,
    "idle with a position": idle,
    "while closing": closing,
}


# -- parts -----------------------------------------------------------------------------------------


def _dies_of(scene: Scene, trigger: str, cell: str) -> None:
    scene.kernel.send(f"{trigger}; {cell}")
    end = time.monotonic() + DIES_WITHIN_S
    while not scene.kernel.dead:
        if time.monotonic() > end:
            raise NeverSeen(trigger)
        time.sleep(0.01)


def _late(scene: Scene, match: dict[str, str]) -> None:
    """The next such request is executed only after the kill."""
    ms = scene.random.randint(*LATE_MS)
    scene.variant += f" {ms} ms late"
    scene.witness.fault("delay", when="before", ms=ms, match=match)
    scene.quiet_after(ms + HELD_MS)


def _deafened(scene: Scene, match: dict[str, str], *, deaf: bool = True) -> None:
    """The next such request is executed at once, and the desk does not hear of it."""
    if deaf:
        scene.witness.fault("freeze", path="private")
    scene.witness.fault("delay", when="after", ms=HELD_MS, match=match)


def _kill_at(scene: Scene, method: str, path: str, role: str = "", *, executed: bool = False) -> None:
    scene.witness.until_asked(method, path, role, executed=executed)
    scene.kernel.kill()
