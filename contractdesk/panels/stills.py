"""What a notebook keeps of its panels: the widgets' state, and the words beside it for where they cannot run.

A browser takes every update of the pump. What saves a notebook without one (papermill, nbconvert, nbclient)
keeps only what a cell itself sends while it runs, and would reopen on a picture of long ago. So there each
cell ends with all panels brought to the present; and wherever a desk closes, so do the words.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from typing import Any, Protocol
from uuid import uuid4

import ipywidgets

from contractdesk.panels.pump import THE_PUMP

_LOG = logging.getLogger("contractdesk.panels")
MAX_SHOWN = 64  # the oldest are left as they are


class Shown(Protocol):
    """A panel, or a screen of them."""

    @property
    def alive(self) -> bool: ...

    def _repr_mimebundle_(self) -> tuple[dict[str, Any], dict[str, Any]]: ...


_shown: list[tuple[str, Shown]] = []  # by the id of the display that they stand in


def show(panel: Shown) -> None:
    """Display a panel so that its words can be renewed in place; for ``_ipython_display_``."""
    from IPython.display import display

    ident = uuid4().hex
    _shown[:] = [*_shown, (ident, panel)][-MAX_SHOWN:]
    data, metadata = panel._repr_mimebundle_()  # IPython's protocol
    display(data, metadata=metadata, raw=True, display_id=ident)  # type: ignore[no-untyped-call]
    _listen()


def renew() -> None:
    """Bring all panels and their words to the present, from the cell's own thread."""
    from IPython.display import update_display

    THE_PUMP.flush()
    _shown[:] = [(ident, panel) for ident, panel in _shown if panel.alive]
    for ident, panel in _shown:
        data, metadata = panel._repr_mimebundle_()  # IPython's protocol
        update_display(data, metadata=metadata, raw=True, display_id=ident)  # type: ignore[no-untyped-call]


def keep() -> None:
    """``renew``, and send the whole state of every widget: the pump's own updates were not kept."""
    renew()
    for widget in _widgets([panel for _, panel in _shown]):
        widget.send_state([name for name in widget.keys if not name.startswith("_")])


def unwatched() -> bool:
    """True where the running cell was sent by nobody who could be asked: no browser takes the updates."""
    shell = _shell()
    if shell is None:
        return False
    request: dict[str, Any] = shell.kernel.get_parent("shell").get("content", {})
    return not request.get("allow_stdin", True)


def _widgets(roots: Iterable[object]) -> Iterator[ipywidgets.Widget]:
    """The widgets under ``roots``, each once, without those that only say how something is laid out."""
    waiting, seen = list(roots), set[str]()
    while waiting:
        item = waiting.pop()
        match item:
            case ipywidgets.Layout() | ipywidgets.Style():
                continue
            case ipywidgets.Widget() if item.comm is not None and item.model_id not in seen:
                seen.add(item.model_id)
                yield item
                waiting += [getattr(item, name) for name in item.keys if not name.startswith("_")]
            case list() | tuple():
                waiting += item
            case dict():
                waiting += item.values()
            case _ if isinstance(inner := getattr(item, "widget", None), ipywidgets.Widget):
                waiting.append(inner)  # a chart's


def _shell() -> Any:
    """IPython's, where it runs in a kernel."""
    from IPython.core.getipython import get_ipython

    shell = get_ipython()
    return shell if hasattr(shell, "kernel") else None


def _listen() -> None:
    shell = _shell()
    if shell is not None and _after_cell not in shell.events.callbacks["post_run_cell"]:
        shell.events.register("post_run_cell", _after_cell)


def _after_cell(_result: object) -> None:
    if not unwatched():
        return
    try:
        keep()
    except Exception:
        _LOG.warning("what the notebook shows could not be brought to the present", exc_info=True)
