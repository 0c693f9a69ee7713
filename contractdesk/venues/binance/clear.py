"""What a person can act on, for the failures that opening a venue commonly meets."""

from __future__ import annotations

from contractdesk.errors import (
    ContractdeskError,
    CredentialsError,
    VenueRejected,
    VenueUnreachable,
)
from contractdesk.venues.binance.dialect import BAD_KEY


def clear(failure: BaseException, url: str, account: str) -> ContractdeskError | None:
    """The sentence for it; None where the failure says enough itself."""
    match failure:
        case TimeoutError():
            return VenueUnreachable(f"{url} does not answer in time: check this host's network")
        case VenueUnreachable():
            return VenueUnreachable(f"{url} cannot be reached ({failure}): is it up, is this host online?")
        case VenueRejected(code=code, message=message) if code in BAD_KEY:
            return CredentialsError(
                f"binance refuses the key of account {account!r} ({code}: {message}): "
                "check the key, its secret, its IP list and that reading and futures are enabled, and "
                "that it belongs to this environment"
            )
        case _:
            return None
