"""The person's hand on a ladder: whether it may trade, the armed ticket, and what came of the last act.

Off at first. What a browser sends is judged by the picture that it was made on: a click that comes late,
out of a stalled tab or kernel, does nothing. Place does only what was armed, once.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final

from contractdesk.clock import NS_PER_S, Clock
from contractdesk.domain.intents import SizePreview
from contractdesk.domain.views import DeskSnapshot
from contractdesk.errors import UserError
from contractdesk.panels import tickets
from contractdesk.panels.base import SILENT_NS, DeskFace, Outcome
from contractdesk.panels.calling import Calls
from contractdesk.panels.tickets import Entry, Ticket

LIVE: Final = "LIVE"
LAPSES_NS: Final = 60 * NS_PER_S  # an armed ticket that nobody confirms
PREVIEW_NS: Final = 1 * NS_PER_S  # how often an armed entry is measured again
SAID_NS: Final = 30 * NS_PER_S
PICTURES: Final = 100  # ten seconds of a ladder: what was seen before is too old anyway
TRADING: Final = {"arm", "place", "cancel"}  # messages that the switch permits


class Hand:
    """One ladder's; called by the widgets' thread (``heard``) and by the pump (``values``)."""

    def __init__(self, desk: DeskFace, clock: Clock) -> None:
        self._desk = desk
        self._clock = clock
        self._calls = Calls()
        self._lock = threading.RLock()
        self._permitted: bool | None = None
        self._on = False
        self._number = 0  # of the ticket: no two are alike, so none can be placed twice
        self._ticket: Ticket | None = None
        self._armed_ns = 0
        self._preview: SizePreview | None = None
        self._measured_ns: int | None = None
        self._said = ("", "muted", 0)
        self._pictures: deque[tuple[int, int]] = deque(maxlen=PICTURES)

    # -- permission ------------------------------------------------------------------------

    def permit(self, trading: bool | None) -> None:  # noqa: FBT001  (forwards the caller's keyword)
        """True: the switch may be turned on, also on LIVE; False: it may not; None: as it was."""
        if trading is None:
            return
        with self._lock:
            self._permitted = trading
            if not trading:
                self._turn(on=False)

    @property
    def objection(self) -> str:
        """Why the switch cannot be turned on; "" = it can."""
        if self._permitted is False:
            return "trading from this ladder is off: desk.console(trading=True) permits it"
        if self._permitted is None and self._desk.label == LIVE:
            return (
                "LIVE: trading from the ladder is off; run desk.console(trading=True) in a cell to permit it"
            )
        return "" if self._desk.is_open else "this desk is closed"

    # -- the browser -----------------------------------------------------------------------

    def pictured(self, seq: int) -> None:
        """The picture ``seq`` is being sent."""
        with self._lock:
            self._pictures.append((seq, self._clock.monotonic_ns()))

    def heard(self, content: Mapping[str, Any], shown: str) -> None:
        """Take up a message, of whatever content; returns at once, and never raises."""
        with self._lock:
            try:
                self._take_up(content, self._desk.snapshot, shown)
            except UserError as error:
                self._say(f"nothing done: {error}", "alarm")

    def _take_up(self, content: Mapping[str, Any], snapshot: DeskSnapshot, shown: str) -> None:
        if "trade" in content:
            self._switch(content["trade"])
        if "drop" in content:
            self._ticket = None
        if not TRADING & content.keys():
            return
        if not self._on:
            raise UserError(self.objection or "trading is off on this ladder: turn Trade on first")
        if self.objection:
            raise UserError(self.objection)
        if "cancel" in content:
            self._cancel(content["cancel"], snapshot, shown)
        if "arm" in content:
            self._judge_age(content.get("seen"))
            self._arm(tickets.read(content["arm"], snapshot, shown))
        if "place" in content:
            self._judge_age(content.get("seen"))
            self._place(content["place"])

    def _switch(self, on: object) -> None:
        if on is not True:
            self._turn(on=False)
        elif self.objection:
            raise UserError(self.objection)
        else:
            self._turn(on=True)

    def _turn(self, *, on: bool) -> None:
        self._on, self._ticket, self._said = on, None, ("", "muted", 0)

    def _judge_age(self, seen: object) -> None:
        """A click is about what the person saw: by the picture's number, by this kernel's clock."""
        sent_ns = next((at_ns for seq, at_ns in self._pictures if seq == seen and type(seen) is int), None)
        if sent_ns is None or self._clock.monotonic_ns() - sent_ns > SILENT_NS:
            raise UserError("this click was made on an old picture; look again")

    # -- acts ------------------------------------------------------------------------------

    def _arm(self, ticket: Ticket) -> None:
        self._number += 1
        self._ticket, self._preview, self._measured_ns = ticket, None, None
        self._armed_ns = self._clock.monotonic_ns()
        self._said = ("", "muted", 0)
        self._measure()

    def _measure(self) -> None:
        """Have the gate asked about the armed entry, off this thread; once a second while it is armed."""
        ticket, number, now_ns = self._ticket, self._number, self._clock.monotonic_ns()
        if not isinstance(ticket, Entry) or now_ns < (self._measured_ns or 0):
            return
        self._measured_ns = now_ns + PREVIEW_NS

        def measure() -> None:
            try:
                preview = ticket.preview(self._desk)
            except Exception as error:
                self._unmeasured(number, f"nothing armed: {error}")
                return
            with self._lock:
                if self._number == number:
                    self._preview = preview

        if not self._calls.start("preview", measure):  # that of the ticket before is still under way
            self._measured_ns = now_ns

    def _unmeasured(self, number: int, words: str) -> None:
        with self._lock:
            if self._number == number:
                self._ticket = None
                self._say(words, "alarm")

    def _place(self, number: object) -> None:
        ticket = self._ticket
        if ticket is None or type(number) is not int or number != self._number:
            raise UserError("this ticket is not armed any more")
        if isinstance(ticket, Entry) and self._preview is None:
            raise UserError("the gate has not been asked yet; wait for the ticket's figures")
        if self._preview is not None and self._preview.refusal:
            raise UserError(f"refused by {self._preview.refusal}")
        if not self._calls.start("order", self._doing(ticket.title, lambda: ticket.act(self._desk))):
            raise UserError("the order before this one has no answer yet")
        self._ticket = None
        self._say(f"{ticket.title}: sent \u2026", "muted")

    def _cancel(self, order_id: object, snapshot: DeskSnapshot, shown: str) -> None:
        client_id = tickets.cancellable(order_id, snapshot, shown).request.client_id
        if self._calls.start(
            f"cancel-{client_id}", self._doing("cancel", lambda: self._desk.cancel(client_id))
        ):
            self._say("cancelling \u2026", "muted")

    def _doing(self, what: str, act: Callable[[], Outcome]) -> Callable[[], None]:
        def do() -> None:
            try:
                outcome = act()
                words, tone = outcome.summary, "buy" if outcome.done else "alarm"
            except Exception as error:
                words, tone = f"{what} failed: {error}", "alarm"
            with self._lock:
                self._say(words, tone)

        return do

    def _say(self, words: str, tone: str) -> None:
        self._said = (words, tone, self._clock.monotonic_ns())

    # -- the picture -----------------------------------------------------------------------

    def values(self, snapshot: DeskSnapshot, shown: str) -> dict[str, Any]:
        """``on``, ``objection``, the ``ticket`` (empty: none is armed) and what was ``said`` last."""
        with self._lock:
            now_ns = self._clock.monotonic_ns()
            self._tidy(shown, now_ns)
            self._measure()
            ticket: dict[str, Any] = {}
            if self._ticket is not None:
                measured = not isinstance(self._ticket, Entry) or self._preview is not None
                ticket = {
                    "id": self._number,
                    "ready": measured,
                    **tickets.figures(self._ticket, self._preview, snapshot),
                }
            words, tone, _ = self._said
            said = {"text": words, "tone": tone}
            return {"on": self._on, "objection": self.objection, "ticket": ticket, "said": said}

    def _tidy(self, shown: str, now_ns: int) -> None:
        if self._on and self.objection:
            self._turn(on=False)
        if self._ticket is not None and self._ticket.symbol != shown:
            self._ticket = None
        if self._ticket is not None and now_ns - self._armed_ns > LAPSES_NS:
            self._ticket = None
            self._say("the ticket has lapsed: nothing was sent", "muted")
        if self._said[0] and now_ns - self._said[2] > SAID_NS:
            self._said = ("", "muted", 0)
