"""The tuning panel: parameters and limits as a draft, its difference to what runs, its replay, Apply, Revert.

A click changes the draft alone. Apply is the desk's own verb, called off the widgets' thread.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import traitlets
from msgspec import Struct

from contractdesk.clock import NS_PER_MS, NS_PER_S, Clock, SystemClock
from contractdesk.domain.views import DeskSnapshot
from contractdesk.errors import ConfigError, ContractdeskError
from contractdesk.panels import formats
from contractdesk.panels import tuning_view as view
from contractdesk.panels.base import DeskFace, Pulse
from contractdesk.panels.draft import Difference, Draft
from contractdesk.panels.errands import Errands
from contractdesk.panels.grid import html_grid
from contractdesk.panels.live import LiveWidget, script, style
from contractdesk.panels.rehearsal import Rehearsal
from contractdesk.panels.tuning_face import Tuner
from contractdesk.panels.tuning_view import Picture
from contractdesk.risk.meanings import Effect

LIVE: Final = "LIVE"
SURE_NS: Final = 10 * NS_PER_S  # within which a second click is an answer
SOONEST_NS: Final = NS_PER_S // 2  # before which it is the same click twice
LONGEST_HOURS: Final = 168.0


class Word(Struct, frozen=True):
    """The panel's last word to the person."""

    text: str = ""
    tone: str = "muted"  # a Tone's value


class Tuning(LiveWidget):
    """Sliders and switches over one draft."""

    _esm = script("tuning.js")
    _css = style("tables.css", "tuning.css")

    label = traitlets.Unicode("").tag(sync=True)
    groups: Any = traitlets.List().tag(sync=True)
    shown = traitlets.Dict().tag(sync=True)  # what each control shows
    rows: Any = traitlets.List().tag(sync=True)  # the difference, line by line
    state = traitlets.Dict().tag(sync=True)  # revision, trouble, ask, word
    replay = traitlets.Dict().tag(sync=True)
    audit = traitlets.Dict().tag(sync=True)

    period_ns = 400 * NS_PER_MS

    def __init__(
        self, desk: DeskFace, tuner: Tuner, *, pulse: Pulse | None = None, clock: Clock | None = None
    ) -> None:
        self._zone = formats.zone_of(desk.display_tz)
        self._rehearsal = Rehearsal(tuner, self._zone)
        self._tuner = tuner
        self._clock = clock or SystemClock()
        self._draft = Draft(self._same)
        self._errands = Errands("tuning")
        self._picture = Picture.of(self._tuner)
        self._word = Word()
        self._trouble: tuple[int, str] = (0, "")  # of which revision
        self._asked: tuple[int, int] = (-1, 0)  # which revision loosens LIVE limits, and when that was asked
        self._pressed_ns = 0  # when a replay was asked for last
        self._told_of: object = None  # what ran when the audit was last read
        self._changes: dict[str, Any] = {"html": "", "count": 0}
        super().__init__(desk, pulse=pulse, clock=clock)

    # -- showing: the pump's side ------------------------------------------------------------

    def values(self, snapshot: DeskSnapshot) -> Mapping[str, Any]:
        picture = self._look()
        if picture.runs != self._told_of:
            self._told_of = picture.runs
            self._errands.put("audit", self._read_changes)
        differences = self._draft.against(picture.runs)
        revision = self._draft.revision
        return {
            "label": self.desk.label,
            "groups": view.groups(picture),
            "shown": view.values(picture, differences),
            "rows": view.rows_of(picture, differences, snapshot),
            "state": {
                "revision": revision,
                "trouble": self._trouble[1] if self._trouble[0] == revision else "",
                "ask": self._asking(revision),
                "word": self._word.text,
                "tone": self._word.tone,
                "open": self.desk.is_open,
            },
            "replay": self._rehearsal.view(revision),
            "audit": self._changes,
        }

    def _look(self) -> Picture:
        self._picture = picture = Picture.of(self._tuner)
        return picture

    def _same(self, key: str, one: Any, other: Any) -> bool:
        tunable = self._picture.tunables.get(key)
        return bool(one == other) if tunable is None else tunable.same(one, other)

    def _asking(self, revision: int) -> bool:
        asked, at_ns = self._asked
        return asked == revision and self._clock.monotonic_ns() - at_ns < SURE_NS

    # -- clicks: the widgets' side -----------------------------------------------------------

    def clicked(self, content: Mapping[str, Any]) -> None:
        key, number = content.get("key"), content.get("revision")
        match content.get("do"):
            case "want" if isinstance(key, str):
                self._want(key, content.get("value"))
            case "keep" if isinstance(key, str):
                self._draft.keep(key, self._look().runs.get(key))
            case "drop":
                self._draft.drop(*([key] if isinstance(key, str) else []))
                self._word = Word()
            case "apply" if isinstance(number, int):
                self._errands.put("apply", lambda: self._apply(number))
            case "replay":
                self._rehearse(content.get("hours"))
            case "cancel":
                if self._clock.monotonic_ns() - self._pressed_ns >= SOONEST_NS:
                    self._rehearsal.cancel()
            case _:
                return  # no control of ours
        self._errands.put("check", self._check)

    def close(self) -> None:
        self._rehearsal.cancel()
        super().close()

    def _want(self, key: str, given: object) -> None:
        picture = self._look()
        tunable = picture.tunables.get(key)
        if tunable is None:
            self._word = Word(f"{key[:60]} is nothing that can be tuned here", "alarm")
            return
        try:
            self._draft.want(key, tunable.parse(given), picture.runs[key])
            self._word = Word()
        except ConfigError as error:
            self._word = Word(str(error), "alarm")

    def _rehearse(self, hours: object) -> None:
        if not isinstance(hours, int | float) or not 0 < hours <= LONGEST_HOURS:
            self._word = Word(f"a replay takes up to {LONGEST_HOURS:.0f} hours", "alarm")
            return
        self._pressed_ns = self._clock.monotonic_ns()
        differences = self._draft.against(self._look().runs)
        draft = view.by_owner(self._picture, differences)
        self._rehearsal.start(float(hours), draft, self._draft.revision)

    # -- errands: off both ------------------------------------------------------------------

    def _check(self) -> None:
        """Do the draft's values go together? A strategy's own ``validate`` may answer."""
        picture = self._look()
        revision, differences = self._draft.revision, self._draft.against(picture.runs)
        self._trouble = (revision, self._refusal(picture, differences))

    def _refusal(self, picture: Picture, differences: Sequence[Difference]) -> str:
        for owner, wanted in view.by_owner(picture, differences).items():
            try:
                self._tuner.check(owner, wanted)
            except ContractdeskError as error:
                return str(error)
            except Exception as error:  # a strategy's own: it must refuse the draft, not end the panel
                return f"{owner} refuses it: {error!r}"
        return ""

    def _apply(self, revision: int) -> None:
        """Everything in the draft, or nothing where a word is still to be had with the person."""
        picture = self._look()
        differences = self._draft.against(picture.runs)
        self._word = self._objection(revision, picture, differences)
        if self._word.text:
            return
        if self._needs_a_second_click(picture, differences) and not self._is_sure(revision):
            return
        self._asked = (-1, 0)
        self._word = self._do(picture, differences)
        self._read_changes()

    def _objection(self, revision: int, picture: Picture, differences: Sequence[Difference]) -> Word:
        if not differences:
            return Word("the draft changes nothing")
        if revision != self._draft.revision:
            return Word("the draft has changed since: look at it once more", "warn")
        moved = [picture.tunables[each.key].title for each in differences if each.moved]
        if moved:
            return Word(
                f"{', '.join(moved)}: changed elsewhere meanwhile; keep yours or drop it first", "alarm"
            )
        return Word(self._refusal(picture, differences), "alarm")

    def _needs_a_second_click(self, picture: Picture, differences: Sequence[Difference]) -> bool:
        loosens = (view.effect_of(picture, each) is Effect.LOOSENS for each in differences)
        return self.desk.label == LIVE and any(loosens)

    def _is_sure(self, revision: int) -> bool:
        """The second click on the same draft, neither at once nor much later."""
        if not self._asking(revision):
            self._asked = (revision, self._clock.monotonic_ns())
            return False
        return self._clock.monotonic_ns() - self._asked[1] >= SOONEST_NS

    def _do(self, picture: Picture, differences: Sequence[Difference]) -> Word:
        done: list[str] = []
        for owner, wanted in view.by_owner(picture, differences).items():
            own = [each for each in differences if picture.tunables[each.key].owner == owner]
            expected = {picture.tunables[each.key].name: each.runs for each in own}
            try:
                receipt = self._tuner.apply(owner, wanted, expected)
            except Exception as error:  # whatever a verb raises: the person must see it
                return Word(f"{_applied(done)}{owner or 'risk'} NOT changed: {error}", "alarm")
            if not receipt:
                return Word(f"{_applied(done)}{owner or 'risk'}: {receipt}", "alarm")
            done += [view.said(picture, each) for each in own]
            self._draft.drop(*(each.key for each in own))
        return Word(f"applied: {', '.join(done)}", "ok")

    def _read_changes(self) -> None:
        try:
            changes = self._tuner.changes()
        except ContractdeskError as error:
            self._word = Word(f"the changes cannot be read: {error}", "alarm")
            return
        grid = view.audit_grid(changes, self._picture.tunables, self._zone)
        self._changes = {"html": html_grid(grid), "count": grid.total}


def _applied(done: Sequence[str]) -> str:
    return f"applied: {', '.join(done)}; but " if done else ""
