"""Desks without a guardian, where that is not what a test is about: each would cost a process."""

from __future__ import annotations

from pathlib import Path


def unguarded(config_home: Path) -> None:
    """Let the settings under this XDG_CONFIG_HOME have none by default, as a person could."""
    folder = config_home / "contractdesk"
    folder.mkdir(exist_ok=True)
    (folder / "config.toml").write_text("[guardian]\non = false\n")
