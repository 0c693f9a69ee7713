"""Base of the panels that draw themselves in the browser: acknowledges, and stays live in a busy cell."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from contractdesk.clock import Clock, SystemClock
from contractdesk.domain.views import DeskSnapshot
from contractdesk.panels.base import DeskFace, Pulse
from contractdesk.panels.comm_compat import let_through
from contractdesk.panels.render import bundle_of
from contractdesk.panels.stills import show
from contractdesk.panels.trouble import Trouble

_STATIC = Path(__file__).with_name("static")


def script(*names: str) -> str:
    """The ES module of one panel: what all share, then its own files, the last one with its ``render``."""
    return "".join(_read(name) for name in ("live.js", *names))


def style(*names: str) -> str:
    return "".join(_read(name) for name in ("theme.css", *names))


def _read(name: str) -> str:
    return (_STATIC / name).read_text(encoding="utf-8")


class LiveWidget(anywidget.AnyWidget):
    """An anywidget whose every refresh is one message, marked by a growing ``seq``.

    The browser draws on ``seq`` and acknowledges from requestAnimationFrame, at most once in three seconds,
    where ``acknowledges`` is set; of the panels on one screen a single one does. While there is ``trouble``
    it looks stale, and one that acknowledges says why. Of a ``closed`` desk nothing more is awaited.
    """

    seq = traitlets.Int(0).tag(sync=True)
    acknowledges = traitlets.Bool(default_value=True).tag(sync=True)
    trouble = traitlets.Unicode("").tag(sync=True)
    closed = traitlets.Bool(default_value=False).tag(sync=True)

    cost = 1

    def __init__(
        self, desk: DeskFace, *, pulse: Pulse | None = None, clock: Clock | None = None, **traits: Any
    ) -> None:
        self.desk = desk
        self.pulse = pulse or Pulse()
        self._troubles = Trouble(desk, clock or SystemClock())
        super().__init__(acknowledges=pulse is None, **traits)
        let_through(self.comm)
        self.on_msg(self._on_message)

    @property
    def alive(self) -> bool:
        return self.comm is not None

    def refresh(self, snapshot: DeskSnapshot) -> int:
        """Send what ``values`` makes of the snapshot, as one message."""
        return self.send_picture(snapshot, self.values(snapshot))

    def send_picture(self, snapshot: DeskSnapshot, values: Mapping[str, Any]) -> int:
        """Send ``values`` and whether ``snapshot`` is still the present; returns the messages: 1."""
        with self.hold_sync():
            for name, value in values.items():
                setattr(self, name, value)
            self.closed = not self.desk.is_open
            self.trouble = self._troubles.of(snapshot)
            self.seq += 1
        return self.cost

    def values(self, snapshot: DeskSnapshot) -> Mapping[str, Any]:
        """The traits that show ``snapshot``; unchanged ones are not sent again."""
        raise NotImplementedError

    def clicked(self, content: Mapping[str, Any]) -> None:
        """A click, as the script reports it. Runs on the widgets' thread: must return at once."""

    def _on_message(self, _widget: object, content: Mapping[str, Any], _buffers: object) -> None:
        if not isinstance(content, Mapping):
            return  # not from our scripts
        if "ack" in content:
            self.pulse.beat()
        else:
            self.clicked(content)

    def _repr_mimebundle_(self, **_options: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        return bundle_of(self.desk, super()._repr_mimebundle_())

    def _ipython_display_(self) -> None:
        show(self)
