"""``desk.console()``, and each panel alone: ``desk.panels.ladder()`` is ``desk.ladder_panel()``, too."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from contractdesk.panels import Panels


class Windows:
    """The screens of the desk that derives from this. A panel that ``Panels`` learns is here, too."""

    def __init__(self) -> None:
        self._panels: Panels | None = None

    @property
    def panels(self) -> Panels:
        """``.ladder()``, ``.risk()``, ``.equity()`` and the other windows, one by one."""
        if self._panels is None:
            self._panels = Panels(self)  # type: ignore[arg-type]  # a desk, of which this is the part that shows
        return self._panels

    def console(self, **options: Any) -> Any:
        """The whole screen: status and Halt, ladder, charts, gauges, tables.

        ``trading=True`` permits the ladder's Trade switch on LIVE, too; elsewhere it may be turned on
        anyway, and is off at first.
        """
        return self.panels.console(**options)

    def _let_go(self) -> None:
        """The desk is closed: its panels say so from now on, and are refreshed no more."""
        if self._panels is not None:
            self._panels.let_go()


def _window(make: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(make)
    def panel(self: Windows, *args: Any, **options: Any) -> Any:
        return make(self.panels, *args, **options)

    panel.__name__ = f"{make.__name__}_panel"
    panel.__qualname__ = f"Windows.{panel.__name__}"
    return panel


for _name in Panels.names():
    if _name != "console":
        setattr(Windows, f"{_name}_panel", _window(getattr(Panels, _name)))
