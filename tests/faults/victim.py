"""A desk in a process of its own, that a scenario kills: ``python -m tests.faults.victim URL NAME``.

It opens the desk of account NAME, says ``ready``, then does what each line of its input says and says
``done``: the desk's verb and its words as JSON, such as ``{"verb": "buy", "words": ["ETH/USDT:USDT"],
"terms": {"size": "0.05", "stop": 2950}}``. Keys and the state folder are in its environment.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import Any

from contractdesk.console.opening import open_desk
from tests.rules.venue import StillVenue


class Victim:
    """The other end of it."""

    def __init__(self, venue: StillVenue, name: str) -> None:
        command = [sys.executable, "-m", "tests.faults.victim", venue.address, name]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=dict(os.environ)
        )
        self._hear("ready")

    def begin(self, verb: str, *words: object, **terms: object) -> None:
        """Have it call a verb, and do not wait."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"verb": verb, "words": words, "terms": terms}) + "\n")
        self._process.stdin.flush()

    def do(self, verb: str, *words: object, **terms: object) -> None:
        self.begin(verb, *words, **terms)
        self._hear("done")

    def kill(self) -> None:
        """SIGKILL, and the end of it."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(10)

    def _hear(self, word: str) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.strip() == word:
                return
        raise AssertionError(f"the desk's process ended before it was {word}")


def main(url: str, name: str) -> None:
    where = {"rest": url, "stream": url.replace("http", "ws")}
    desk: Any = open_desk("binance", name, "testnet", name=name, endpoints=where)
    print("ready", flush=True)  # noqa: T201
    for line in sys.stdin:
        wish = json.loads(line)
        getattr(desk, wish["verb"])(*wish["words"], **wish["terms"])
        print("done", flush=True)  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
