"""Where a desk keeps what must outlive it: ``$XDG_STATE_HOME/contractdesk/<desk>/``."""

from __future__ import annotations

import os
import re
from pathlib import Path

from msgspec import Struct

from contractdesk.errors import ConfigError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def state_home() -> Path:
    """The folder of all desks; ``CONTRACTDESK_STATE`` or ``XDG_STATE_HOME`` moves it."""
    if chosen := os.environ.get("CONTRACTDESK_STATE"):
        return Path(chosen)
    base = os.environ.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local" / "state") / "contractdesk"


class DeskPaths(Struct, frozen=True):
    """The files of one desk."""

    home: Path

    @classmethod
    def of(cls, desk: str) -> DeskPaths:
        """Paths of the desk of that name, its folder made; ``ConfigError`` where it is no file name."""
        if not _NAME.fullmatch(desk):
            raise ConfigError(f"desk name {desk!r}: use up to 64 letters, digits, dots, dashes, underscores")
        home = state_home() / desk
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        return cls(home)

    @property
    def journal(self) -> Path:
        return self.home / "journal.db"

    @property
    def tape(self) -> Path:
        return self.home / "tape"

    @property
    def log(self) -> Path:
        return self.home / "desk.log.jsonl"

    @property
    def guardian_log(self) -> Path:
        return self.home / "guardian.log.jsonl"

    @property
    def exchange(self) -> Path:
        return self.home / "exchange"


def locks_home() -> Path:
    """Locks are kept by account, whatever the desk on it is called."""
    folder = state_home() / ".locks"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder
