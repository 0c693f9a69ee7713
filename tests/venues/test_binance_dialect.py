"""What status lines, headers and codes mean, by the documentation's table."""

from __future__ import annotations

import pytest

from contractdesk.errors import OutcomeLost, RateLimited, VenueRejected, VenueUnreachable
from contractdesk.venues.binance.dialect import BinanceDialect
from contractdesk.venues.limits import Usage

TABLE = [
    (400, '{"code":-2019,"msg":"Margin is insufficient."}', VenueRejected),
    (400, '{"code":-1021,"msg":"Timestamp outside"}', VenueRejected),
    (400, '{"code":-1006,"msg":"An unexpected response"}', OutcomeLost),
    (408, '{"code":-1007,"msg":"Timeout waiting"}', OutcomeLost),
    (408, "", OutcomeLost),
    (401, '{"code":-2015,"msg":"Invalid API-key"}', VenueRejected),
    (403, "<html>", RateLimited),
    (403, '{"code":-2015,"msg":"Invalid API-key"}', VenueRejected),
    (404, "", VenueRejected),
    (500, '{"code":-1000,"msg":"An unknown error"}', OutcomeLost),
    (502, "<html>Bad gateway</html>", OutcomeLost),
    (503, '{"code":-1,"msg":"Unknown error, please check your request or try again later."}', OutcomeLost),
    (503, "Unknown error, please check your request or try again later.", OutcomeLost),
    (503, '{"code":0,"msg":"Service Unavailable."}', VenueUnreachable),
    (503, '{"msg":"Service Unavailable."}', VenueUnreachable),
    (503, "Service Unavailable", VenueUnreachable),
    (503, "", OutcomeLost),
    (503, '{"code":-9999,"msg":"Request occur unknown error."}', OutcomeLost),
    (503, "<html><h1>503 Service Unavailable</h1></html>", OutcomeLost),
    (503, "ERROR: The request could not be satisfied", OutcomeLost),
    (503, '{"code":-1008,"msg":"Request throttled by system-level protection."}', VenueRejected),
    (504, "", OutcomeLost),
]


@pytest.mark.parametrize(("status", "body", "kind"), TABLE)
def test_errors_by_the_callers_duty(status: int, body: str, kind: type) -> None:
    assert type(BinanceDialect().classify(status, {}, body)) is kind


@pytest.mark.parametrize("status", [200, 201, 302])
def test_good_answers_are_no_errors(status: int) -> None:
    assert BinanceDialect().classify(status, {}, "[]") is None


@pytest.mark.parametrize(
    ("status", "headers", "seconds"),
    [
        (429, {"retry-after": "3"}, 3.0),
        (429, {"retry-after": "0.25"}, 0.25),
        (429, {}, 10.0),
        (418, {"retry-after": "259200"}, 259_200.0),
        (418, {"retry-after": "soon"}, 120.0),
    ],
)
def test_a_demanded_silence_has_its_length(status: int, headers: dict[str, str], seconds: float) -> None:
    limited = BinanceDialect().classify(status, headers, '{"code":-1003,"msg":"Way too many requests"}')
    assert isinstance(limited, RateLimited)
    assert (limited.status, limited.retry_after_s) == (status, seconds)


def test_the_counters_of_an_answer() -> None:
    headers = {"x-mbx-used-weight-1m": "17", "x-mbx-order-count-10s": "2", "x-mbx-order-count-1m": "junk"}
    assert BinanceDialect().usage(headers) == Usage(weight_1m=17, orders_10s=2, orders_1m=None)
