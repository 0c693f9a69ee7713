"""A desk on a loopback exchange of its own, once a module."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from contractdesk.console.desk import Desk
from contractdesk.console.opening import open_desk, open_desks
from tests.console.loopback import end_exchanges
from tests.unguarded import unguarded


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A state folder of the module's own; its exchanges are ended afterwards."""
    folder = tmp_path_factory.mktemp("state")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONTRACTDESK_STATE", str(folder))
        patch.setenv("XDG_CONFIG_HOME", str(folder))
        unguarded(folder)
        yield folder
        for desk in open_desks():
            desk.close()
        end_exchanges()


@pytest.fixture(scope="module")
def desk(home: Path) -> Desk:
    """An embedded desk with a generated market."""
    return open_desk("embedded", name="test", seed=11, idle_limit_s=120)
