"""The status bar: how the desk stands, and the buttons that stop it, in any cell's shadow."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, Final

import traitlets

from contractdesk.clock import NS_PER_MS, Clock, SystemClock
from contractdesk.domain.views import DeskSnapshot
from contractdesk.panels import formats, gist
from contractdesk.panels.base import SILENT_NS, DeskFace, Pulse
from contractdesk.panels.live import LiveWidget, script, style


class Verb(Enum):
    """What a button asks of the desk."""

    HALT = "halt"
    RESUME = "resume"
    FLATTEN = "flatten"


class Caller:
    """Calls the desk's verbs off the widgets' thread, each at most once at a time."""

    def __init__(self, desk: DeskFace) -> None:
        self._calls: Final[Mapping[Verb, Callable[[], object]]] = {
            Verb.HALT: desk.halt,
            Verb.RESUME: desk.resume,
            Verb.FLATTEN: desk.flatten,
        }
        self._running: set[Verb] = set()
        self._lock = threading.Lock()
        self.outcome = ""  # of the last call, where it failed or did not come true in time; else ""

    def call(self, verb: Verb) -> None:
        """Start the verb in a thread of its own; nothing happens while the same one still runs."""
        with self._lock:
            if verb in self._running:
                return
            self._running.add(verb)
        threading.Thread(
            target=self._run, args=(verb,), name=f"contractdesk-{verb.value}", daemon=True
        ).start()

    def _run(self, verb: Verb) -> None:
        try:
            receipt = self._calls[verb]()
            self.outcome = "" if receipt is None or receipt else f"{receipt}".partition("\n")[0]
        except Exception as error:
            self.outcome = f"{verb.value} failed: {error}"
        finally:
            with self._lock:
                self._running.discard(verb)


class Status(LiveWidget):
    """One line of values with Halt, Resume and Flatten (which asks twice)."""

    _esm = script("status.js")
    _css = style("status.css")

    label = traitlets.Unicode("").tag(sync=True)
    name = traitlets.Unicode("").tag(sync=True)
    state = traitlets.Unicode("").tag(sync=True)
    reason = traitlets.Unicode("").tag(sync=True)
    outcome = traitlets.Unicode("").tag(sync=True)
    clock = traitlets.Unicode("").tag(sync=True)
    items: Any = traitlets.List().tag(sync=True)

    period_ns = 200 * NS_PER_MS

    def __init__(self, desk: DeskFace, *, pulse: Pulse | None = None, clock: Clock | None = None) -> None:
        self._caller = Caller(desk)
        self._clock = clock or SystemClock()
        self._last: tuple[DeskSnapshot | None, int] = (None, 0)  # the newest, and when it was first seen
        super().__init__(desk, pulse=pulse)

    def values(self, snapshot: DeskSnapshot) -> Mapping[str, Any]:
        zone = formats.zone_of(self.desk.display_tz)
        return {
            "label": self.desk.label,
            "name": self.desk.name,
            "state": snapshot.state.value,
            "reason": snapshot.state_reason,
            "outcome": self._caller.outcome or self._trouble(snapshot),
            "clock": f"{formats.clock(snapshot.ts_ns, zone)} {formats.suffix(snapshot.ts_ns, zone)}",
            "items": [
                {"key": item.key, "name": item.name, "text": item.text, "tone": item.tone.value}
                for item in gist.items(snapshot)
            ],
        }

    def _trouble(self, snapshot: DeskSnapshot) -> str:
        """Says so when the kernel lives but the desk makes no new pictures."""
        if not self.desk.is_open:
            return "this desk is closed: what stands here is its last picture"
        now_ns = self._clock.monotonic_ns()
        if snapshot is not self._last[0]:
            self._last = (snapshot, now_ns)
        silent_ns = now_ns - self._last[1]
        if silent_ns < SILENT_NS:
            return ""
        return f"the desk has been silent for {formats.duration(silent_ns / NS_PER_MS)}"

    def clicked(self, content: Mapping[str, Any]) -> None:
        try:
            verb = Verb(content.get("verb"))
        except ValueError:
            return  # not a button of ours
        self._caller.call(verb)
