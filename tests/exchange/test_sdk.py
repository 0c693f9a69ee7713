"""Binance's own SDK, in an environment of its own, trades on the loopback exchange unmodified."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.exchange.loopback import Client, on_exchange, quiet_exchange

REPOSITORY = Path(__file__).parents[2]
PYTHON = REPOSITORY / ".venv-sdk" / "bin" / "python"
SESSION = Path(__file__).with_name("sdk_session.py")


@pytest.fixture(scope="module")
def told() -> dict[str, Any]:
    """What the SDK saw in one session."""
    if not PYTHON.exists():
        pytest.skip(
            "no .venv-sdk: python3 -m venv .venv-sdk && "
            ".venv-sdk/bin/pip install 'binance-sdk-derivatives-trading-usds-futures<18'"
        )
    found: dict[str, Any] = {}

    @on_exchange(quiet_exchange)
    async def run(demo: Client, other: Client) -> None:
        await other.market("BUY", "0.01")  # so that there is a bar
        process = await asyncio.create_subprocess_exec(
            str(PYTHON),
            str(SESSION),
            other.venue.url,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        assert process.returncode == 0, err.decode()[-2_000:]
        found.update(json.loads(out.splitlines()[-1]))

    run()
    return found


def test_market_and_account(told: dict[str, Any]) -> None:
    rest = told["rest"]
    assert (rest["symbols"], rest["tick"], rest["mark"]) == (["BTCUSDT"], "0.10", "60000.00000000")
    assert rest["bars"] >= 1
    assert (rest["wallet"], rest["leverage"], rest["balance"]) == ("10000.00000000", 7, ["USDT"])
    assert rest["income"] == ["COMMISSION", "TRANSFER"]
    assert rest["funding"] == 0


def test_a_limit_order_rests_is_amended_partially_fills_and_the_rest_is_cancelled(
    told: dict[str, Any],
) -> None:
    rest = told["rest"]
    assert (rest["placed"], rest["amended"]) == ("NEW", ["60000.00", "0.040", True])
    assert rest["taken"] == "FILLED"
    assert rest["partial"] == ["PARTIALLY_FILLED", "0.015", "60000.00000"]
    assert (rest["open"], rest["cancelled"], rest["cancel_all"]) == ([True], "CANCELED", 200)
    assert rest["trade"] == ["60000.00", "0.015", True, "0.18000000"]  # 900 x 0.0002
    assert rest["position"] == ["0.015", "60000.00000"]


def test_stops_and_refusals(told: dict[str, Any]) -> None:
    rest = told["rest"]
    assert rest["stop_on_order"] == -4120
    assert (rest["stop"], rest["stops"]) == (["NEW", "55000.00", True], 1)
    assert rest["stop_cancelled"] == "200"
    assert rest["off_tick"] == -4014


def test_book_and_user_stream(told: dict[str, Any]) -> None:
    streams = told["streams"]
    assert (streams["chained"], streams["depth"]) == (True, ["depthUpdate", "BTCUSDT"])
    prices = ["59930.00", "59931.00", "59932.00"]
    assert streams["events"] == [[x, x, price] for x in ("NEW", "CANCELED") for price in prices]
