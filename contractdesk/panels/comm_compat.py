"""Let widget messages through while a cell runs (ipykernel 7.4).

Two faults, one remedy each, applied to our own comms only:

- ipykernel ignores the subshell that the frontend asks for and takes the shell that last *published*
  on the comm (``BaseComm._reply_subshell_for``); the pump publishes for the main shell, which a
  running cell blocks. 7.3 does not have the method, and needs nothing.
- a comm message handled on a subshell fires IPython's pre/post_execute, so that matplotlib-inline
  flushes the running cell's figures (https://github.com/ipython/ipykernel/issues/1564).
"""

from __future__ import annotations

from typing import Any


def let_through(comm: Any) -> None:
    """Make ``comm`` answer on the frontend's subshell, without touching the running cell.

    Harmless for a comm of any other kind (a headless front end, an older ipykernel).
    """
    if comm is None:
        return
    if hasattr(comm, "_reply_subshell_for"):
        comm._reply_subshell_for = _as_asked  # noqa: SLF001  the fault is in this private method
    if hasattr(comm, "_msg_callback"):
        comm.handle_msg = lambda message: _deliver(comm, message)


def _as_asked(_data: object, asked: str | None) -> str | None:
    return asked


def _deliver(comm: Any, message: dict[str, Any]) -> None:
    callback = comm._msg_callback  # noqa: SLF001  comm offers no public reader
    if callback is not None:
        callback(message)
