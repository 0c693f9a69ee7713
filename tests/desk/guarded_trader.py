"""A process that holds desks, as a kernel does, and does what it is told line by line: to be killed."""

from __future__ import annotations

import json
import sys
import threading
from typing import Any

import contractdesk as cd

BTC = "BTC/USDT:USDT"
# A desk that is to be found with something uncovered does not close it meanwhile by itself.
PATIENT = {"stop_deadline_s": 25.0, "flatten_deadline_s": 30.0}


def main() -> None:
    terms = json.loads(sys.argv[1])
    common = {"endpoints": terms["endpoints"], "risk": PATIENT}
    desks: dict[str, cd.Desk] = {}
    answer({"ready": True})
    for line in sys.stdin:
        name, verb, *words = line.split()
        if verb == "open":
            guardian = terms["guardians"][name]
            desks[name] = cd.open_desk("binance", name, "testnet", name=name, guardian=guardian, **common)
            desks[name].book(BTC)  # so that an entry is sent at once, later
        desk = desks[name]
        match verb:
            case "open":
                answer(told(desk))
            case "buy":
                answer(until_sent(desk, *words))
            case "send":  # and wait for nothing
                threading.Thread(target=until_sent, args=(desk, *words), daemon=True).start()
            case "tell":
                answer(told(desk))


def buy(desk: cd.Desk, notional: str, stop: str, limit: str = "") -> dict[str, Any]:
    bought = desk.buy(BTC, notional=float(notional), stop=float(stop), limit=float(limit) if limit else None)
    return {"done": bought.done, "said": bought.summary}


def until_sent(desk: cd.Desk, *words: str) -> dict[str, Any]:
    """On a busy machine an entry may be refused for a feed that is late: then nothing was sent."""
    said: dict[str, Any] = {}
    for _ in range(20):
        said = buy(desk, *words)
        sys.stderr.write(f"{desk.name}: {said}\n")
        if said["done"] or not ("refused" in said["said"] or "not sent" in said["said"]):
            break
    return said


def told(desk: cd.Desk) -> dict[str, Any]:
    shot = desk.snapshot
    link = desk._session.host.guardian
    return {
        "state": shot.state.value,
        "ready": shot.private_stream_ready,
        "guardian": shot.guardian.value,
        "pid": link.pid if link is not None else 0,
        "positions": [[row.origin, str(row.size), str(row.guarded)] for row in shot.positions if row.size],
        "symbols": sorted(symbol for symbol, view in shot.symbols.items() if view.ready),
        "notices": {notice.code: notice.message for notice in shot.notices},
    }


def answer(what: dict[str, Any]) -> None:
    sys.stdout.write(f"> {json.dumps(what)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
