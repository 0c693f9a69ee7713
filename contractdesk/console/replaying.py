"""A recorded session run again, from a notebook: the twin of what happened, or what would have been."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from pathlib import Path
from time import time_ns
from typing import TYPE_CHECKING, Any

from contractdesk.desk.paths import state_home
from contractdesk.domain.market import timeframe_ns
from contractdesk.errors import ConfigError, UserError
from contractdesk.history.loading import to_ns

if TYPE_CHECKING:
    from contractdesk.replay.models import Models
    from contractdesk.replay.twin_report import TwinReport

When = str | date | datetime | int | None


def replay_session(
    desk: str | Path = "embedded",
    *,
    since: When = None,
    until: When = None,
    params: Mapping[str, Any] | None = None,
    risk: Mapping[str, Any] | None = None,
    models: Models | None = None,
    account: str | None = None,
) -> TwinReport:
    """Run a recorded live session again from tape, strategy and settings, and set it against what happened.

    ``desk`` is the desk's name, or the folder of its journal and tape. ``since`` is a length of time
    before now ("6h", "30m") or a moment (an ISO date, a datetime, UTC ns); the replay begins at the last
    checkpoint before it, or at the next opening where the desk was closed then; without it at the last
    session's opening. ``params`` tunes each strategy ("what if"), or one by its name:
    ``{"TrendFollow": {"fast": 8}}``; ``risk`` the limits. Sessions of other accounts than ``account``, by
    default the last session's, are passed over. What the venue answered is withheld, and used only to
    compare.

    UserError where nothing is recorded of that name; ConfigError for what is no time.
    """
    from contractdesk.replay.session import read_session  # a second of import: numba, for the model's books
    from contractdesk.replay.twin import replay_session as run

    folder = _folder(desk)
    session = read_session(
        folder / "journal.db",
        folder / "tape",
        since_ns=_moment(since),
        until_ns=_moment(until) or 1 << 62,
        account=account,
    )
    return run(session, models, params, risk)


def _folder(desk: str | Path) -> Path:
    given = Path(desk)
    folder = given if given.is_dir() and (given / "tape").is_dir() else state_home() / str(desk)
    if (folder / "tape").is_dir():
        return folder
    home = state_home()
    known = sorted(path.parent.name for path in home.glob("*/tape")) if home.is_dir() else []
    there = f"there are {', '.join(known)}" if known else "no desk has been opened yet"
    raise UserError(f"no session of a desk {str(desk)!r} is recorded: {there}")


def _moment(when: When) -> int:
    """UTC ns; 0 for None."""
    if isinstance(when, str):
        try:
            return time_ns() - timeframe_ns(when)
        except ValueError:
            pass  # no length of time: a moment, then
    try:
        return to_ns(when)
    except UserError as error:
        raise ConfigError(f"{when!r} is no time: give a length such as 6h, or an ISO date") from error
