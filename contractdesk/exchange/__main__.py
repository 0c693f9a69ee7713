"""``python -m contractdesk.exchange``: the loopback exchange, without the rest of contractdesk."""

from __future__ import annotations

import argparse
import sys

from contractdesk.errors import ConfigError
from contractdesk.exchange.launch import DEMO, VENUES, AccountOption, ExchangeOptions, serve


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="contractdesk exchange", description=__doc__)
    made.add_argument("--venue", choices=VENUES, default=VENUES[0], help="the dialect to speak")
    made.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0 takes a free one")
    source = made.add_mutually_exclusive_group()
    source.add_argument("--seed", type=int, default=1, help="seed of the generated market")
    source.add_argument("--recording", help="a recorded market instead: file, pattern or folder")
    made.add_argument("--speed", type=float, default=1.0, help="speed of the recording")
    made.add_argument("--start", type=float, default=60.0, metavar="OFFSET_S", help="where it opens")
    made.add_argument("--repeat", action="store_true", help="begin the recording again at its end")
    made.add_argument(
        "--account",
        action="append",
        default=[],
        metavar="KEY:SECRET:BALANCE:COINS",
        help="may be repeated; without one there is demo-key:demo-secret with 10,000 USDT and 1 BTC",
    )
    made.add_argument("--idle-limit", type=float, metavar="S", help="end when unused for so long")
    return made


def options_of(arguments: list[str]) -> ExchangeOptions:
    """ConfigError for an account that is none."""
    said = parser().parse_args(arguments)
    return ExchangeOptions(
        venue=said.venue,
        port=said.port,
        seed=said.seed,
        recording=said.recording,
        speed=said.speed,
        start_s=said.start,
        repeat=said.repeat,
        accounts=tuple(AccountOption.parse(text) for text in said.account) or (DEMO,),
        idle_limit_s=said.idle_limit,
    )


def main(arguments: list[str] | None = None) -> int:
    try:
        serve(options_of(sys.argv[1:] if arguments is None else arguments))
    except ConfigError as problem:
        sys.stderr.write(f"contractdesk exchange: {problem}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
