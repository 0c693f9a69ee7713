"""The status bar: how the desk stands, and the buttons that stop it, in any cell's shadow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import traitlets

from contractdesk.clock import NS_PER_MS, NS_PER_S, Clock, SystemClock
from contractdesk.domain.views import DeskSnapshot
from contractdesk.panels import formats, gist
from contractdesk.panels.base import DeskFace, Pulse
from contractdesk.panels.calling import Calls
from contractdesk.panels.focus import Focus
from contractdesk.panels.hotkeys import Verb, sheet
from contractdesk.panels.live import LiveWidget, script, style

SAID_NS: Final = 15 * NS_PER_S
FAILED_NS: Final = 60 * NS_PER_S


class Remark:
    """The last word on something; it stands for a while."""

    def __init__(self, clock: Clock, lasts_ns: int) -> None:
        self._clock = clock
        self._lasts_ns = lasts_ns
        self._last = ("", 0)

    def say(self, text: str) -> None:
        self._last = (text, self._clock.monotonic_ns())

    @property
    def text(self) -> str:
        text, at_ns = self._last
        return text if self._clock.monotonic_ns() - at_ns < self._lasts_ns else ""


class Caller:
    """Calls the desk's verbs off the widgets' thread: each at most once at a time, a close once a symbol."""

    def __init__(self, desk: DeskFace, clock: Clock) -> None:
        self._desk = desk
        self._calls = Calls()
        self.outcome = Remark(clock, FAILED_NS)  # of a call that failed or did not come true in time
        self.said = Remark(clock, SAID_NS)  # what the last call has done

    def call(self, verb: Verb, symbol: str = "") -> None:
        """Start the verb in a thread of its own; while the same one still runs that is said, and no more."""
        work, what = self._work(verb, symbol), verb.value
        if verb is Verb.CLOSE:  # of one symbol may wait for the venue while another one's must go out
            what = f"{what} {symbol}"
        if not self._calls.start(what.replace(" ", "-"), lambda: self._run(what, work)):
            self.outcome.say(f"{what} is still under way")

    def _work(self, verb: Verb, symbol: str) -> Callable[[], object]:
        match verb:
            case Verb.HALT:
                return self._desk.halt
            case Verb.RESUME:
                return self._desk.resume
            case Verb.FLATTEN:
                return self._desk.flatten
            case Verb.CANCEL_ALL:
                return self._desk.cancel_all
            case Verb.CLOSE:
                return lambda: self._desk.close_position(symbol)

    def _run(self, what: str, work: Callable[[], object]) -> None:
        try:
            receipt = work()
        except Exception as error:
            self.outcome.say(f"{what} failed: {error}")
            return
        first = f"{receipt}".partition("\n")[0]
        good = receipt is None or bool(receipt)
        self.outcome.say("" if good else first)
        self.said.say(first if good and receipt is not None else "")


class Status(LiveWidget):
    """One line of values; Halt, Flatten (which asks twice), Cancel all and Resume, by button and by key."""

    _esm = script("keys.js", "status.js")
    _css = style("status.css", "keys.css")

    label = traitlets.Unicode("").tag(sync=True)
    name = traitlets.Unicode("").tag(sync=True)
    state = traitlets.Unicode("").tag(sync=True)
    reason = traitlets.Unicode("").tag(sync=True)
    outcome = traitlets.Unicode("").tag(sync=True)
    said = traitlets.Unicode("").tag(sync=True)
    symbol = traitlets.Unicode("").tag(sync=True)
    sheet = traitlets.Dict().tag(sync=True)
    clock = traitlets.Unicode("").tag(sync=True)
    items: Any = traitlets.List().tag(sync=True)

    period_ns = 200 * NS_PER_MS

    def __init__(
        self,
        desk: DeskFace,
        focus: Focus | None = None,
        *,
        pulse: Pulse | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._caller = Caller(desk, clock or SystemClock())
        self._focus = focus or Focus()
        super().__init__(desk, pulse=pulse, clock=clock, sheet=sheet())

    def values(self, snapshot: DeskSnapshot) -> Mapping[str, Any]:
        zone = formats.zone_of(self.desk.display_tz)
        return {
            "label": self.desk.label,
            "name": self.desk.name,
            "state": snapshot.state.value,
            "reason": snapshot.state_reason,
            "outcome": self._caller.outcome.text,
            "clock": f"{formats.clock(snapshot.ts_ns, zone)} {formats.suffix(snapshot.ts_ns, zone)}",
            "said": self._caller.said.text,
            "symbol": self._focus.on(snapshot),
            "items": [
                {"key": item.key, "name": item.name, "text": item.text, "tone": item.tone.value}
                for item in gist.items(snapshot)
            ],
        }

    def clicked(self, content: Mapping[str, Any]) -> None:
        try:
            verb = Verb(content.get("verb"))
        except ValueError:
            return  # not a button of ours
        symbol = content.get("symbol", "")
        if verb is Verb.CLOSE and not self._holds(symbol):
            self._caller.outcome.say(f"close: no position of this desk in {str(symbol)[:40]}")
            return
        self._caller.call(verb, symbol)

    def _holds(self, symbol: object) -> bool:
        rows = self.desk.snapshot.positions
        return any(row.symbol == symbol and row.size and gist.ours(row) for row in rows)
