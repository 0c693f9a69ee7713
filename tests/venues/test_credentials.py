"""Keys come from the environment or the keyring, show nothing, and are refused by their scopes."""

from __future__ import annotations

import copy
import io
import logging
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contractdesk.errors import CredentialsError
from contractdesk.venues.credentials import (
    REDACTED,
    KeyScopes,
    RedactingFilter,
    Secret,
    load_credentials,
    redact,
    refuse_scopes,
    remember,
)

CANARY = "canary-3f9a1c77e2"
GOOD = KeyScopes(read=True, contracts=True, withdraw=False, transfer=False, spot=False, ip_restricted=True)


def nothing(service: str, name: str) -> str | None:
    return None


def test_a_secret_shows_nothing() -> None:
    secret = Secret(CANARY)
    shown = f"{secret} {secret!r} {secret:>40} {[secret]} {secret.__class__.__slots__}"
    assert CANARY not in shown
    assert not hasattr(secret, "__dict__")
    assert secret.reveal() == CANARY


@pytest.mark.parametrize("attempt", [pickle.dumps, copy.copy, copy.deepcopy])
def test_a_secret_is_not_pickled_or_copied(attempt: object) -> None:
    with pytest.raises(TypeError, match="not pickled"):
        attempt(Secret(CANARY))  # type: ignore[operator]


def test_the_environment_goes_before_the_keyring() -> None:
    environ = {"CONTRACTDESK_BINANCE_MAIN_KEY": "from-environ"}
    found = load_credentials("binance", "main", environ, lambda service, name: f"{service}/{name}")
    assert found.key.reveal() == "from-environ"
    assert found.secret.reveal() == "contractdesk/CONTRACTDESK_BINANCE_MAIN_SECRET"


def test_a_missing_key_names_both_ways() -> None:
    with pytest.raises(CredentialsError) as caught:
        load_credentials("binance", "main", {}, nothing)
    assert "environment variable CONTRACTDESK_BINANCE_MAIN_KEY" in str(caught.value)
    assert "keyring set contractdesk CONTRACTDESK_BINANCE_MAIN_KEY" in str(caught.value)


@pytest.mark.parametrize(
    ("scopes", "word"),
    [
        ({"withdraw": True}, "withdrawals"),
        ({"contracts": False, "spot": True}, "spot-only"),
        ({"contracts": False}, "futures trading"),
        ({"read": False}, "reading"),
        ({"transfer": True}, "transfers"),
    ],
)
def test_a_key_is_refused_by_the_name_of_its_scope(scopes: dict[str, bool], word: str) -> None:
    from msgspec.structs import replace

    with pytest.raises(CredentialsError, match=word):
        refuse_scopes(replace(GOOD, **scopes))


def test_a_good_key_passes() -> None:
    refuse_scopes(GOOD)


@given(st.text(min_size=6).filter(lambda value: value not in REDACTED), st.text(), st.text())
def test_a_remembered_value_never_survives(value: str, before: str, after: str) -> None:
    remember(value)
    assert value not in redact(before + value + after).replace(REDACTED, "")


@pytest.mark.parametrize(
    "text",
    [
        "GET /fapi/v1/order?symbol=BTCUSDT&signature=abcdef0123&x=1",
        "{'X-MBX-APIKEY': 'abcdef0123', 'a': 1}",
        '{"listenKey":"abcdef0123"}',
        "wss://host/private/ws/abcdef0123",
        "wss://host/private/ws?listenKey=abcdef0123",
        "X-MBX-APIKEY: abcdef0123",
    ],
)
def test_what_stands_where_secrets_stand_is_redacted(text: str) -> None:
    assert "abcdef0123" not in redact(text)
    assert REDACTED in redact(text)


def test_log_records_are_redacted_to_the_traceback() -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.addFilter(RedactingFilter())
    logger = logging.Logger("test")
    logger.addHandler(handler)
    Secret(CANARY)
    try:
        int(CANARY)
    except ValueError:
        logger.exception("key %s", CANARY, extra={"url": f"/x?signature={CANARY}"})
    assert "Traceback" in stream.getvalue()
    assert CANARY not in stream.getvalue()
