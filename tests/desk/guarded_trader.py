"""A process that holds a desk, as a kernel does, and does what it is told line by line: to be killed."""

from __future__ import annotations

import json
import sys
from typing import Any

import contractdesk as cd

BTC = "BTC/USDT:USDT"


def main() -> None:
    account, options = sys.argv[1], json.loads(sys.argv[2])
    desk = cd.open_desk("binance", account=account, mode="testnet", name=account, **options)
    answer({"open": True, "guardian": desk._session.host.guardian.pid})
    for line in sys.stdin:
        verb, *words = line.split()
        match verb:
            case "buy":
                notional, stop = words
                bought = desk.buy(BTC, notional=float(notional), stop=float(stop))
                answer({"done": bought.done, "said": bought.summary})
            case "rest":
                notional, stop, limit = words
                rests = desk.buy(BTC, notional=float(notional), stop=float(stop), limit=float(limit))
                answer({"done": rests.done, "said": rests.summary})
            case "tell":
                answer(told(desk))
            case "close":
                desk.close(leave=words[0])
                answer({"closed": True})
                return


def told(desk: cd.Desk) -> dict[str, Any]:
    shot = desk.snapshot
    return {
        "state": shot.state.value,
        "ready": shot.private_stream_ready,
        "guardian": shot.guardian.value,
        "pid": desk._session.host.guardian.pid,
        "positions": [[row.origin, str(row.size), str(row.guarded)] for row in shot.positions if row.size],
        "notices": [[notice.code, notice.message] for notice in shot.notices],
        "epoch": desk._session.host.state.config.epoch,
    }


def answer(what: dict[str, Any]) -> None:
    sys.stdout.write(f"> {json.dumps(what)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
