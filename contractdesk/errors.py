"""Every error a caller can meet, grouped by the caller's duty.

::

    ContractdeskError
    ├── UserError                what was asked cannot be done as asked; the message says what to do
    │   ├── ConfigError          settings, parameters, profiles
    │   ├── UnknownSymbol        a symbol that the venue does not list
    │   ├── CredentialsError     a key that is missing, too weak or too strong
    │   ├── DeskBusy             another desk, process or kernel owns the account
    │   └── PreflightFailed      the account is not in a mode that the desk supports
    ├── VenueError               the venue answered, or failed to
    │   ├── VenueUnreachable     retry: nothing was sent, or only a read was lost
    │   ├── VenueRejected        definitive: the venue refused (code, message)
    │   ├── RateLimited          wait: carries ``retry_after_s``
    │   ├── OutcomeLost          query: the request may or may not have been executed
    │   └── VenueProtocolError   resync: bytes that no codec understands
    ├── StorageError             the journal or the tape cannot be written or read
    │   └── StorageDamaged       what is on the disk is not what was written
    └── EngineFault              halt: an invariant of the core is broken

    CallbackOverrun              no Exception: raised into a strategy's callback that does not return
"""

from __future__ import annotations

_PACKAGE = __file__.rpartition("/")[0]


class ContractdeskError(Exception):
    """Base of all errors of this package."""


class UserError(ContractdeskError):
    """What was asked cannot be done as asked; the message says what to do instead."""

    def _render_traceback_(self) -> list[str]:
        """What IPython prints: the person's own line and the sentence, not the way through our threads."""
        import traceback  # only where there is one to show
        from itertools import takewhile

        frames = traceback.extract_tb(self.__traceback__)
        own = list(takewhile(lambda frame: not frame.filename.startswith(_PACKAGE), frames))
        line = [f"line {own[-1].lineno}: {own[-1].line}"] if own and own[-1].line else []
        return [*line, f"{type(self).__name__}: {self}"]


class ConfigError(UserError):
    """A setting or a parameter is missing, of the wrong type or out of its range."""


class UnknownSymbol(UserError):
    """The venue does not list this symbol."""


class CredentialsError(UserError):
    """A key is missing, lacks a scope the desk needs, or has one it must not have."""


class DeskBusy(UserError):
    """The account already has a desk, here or in another process."""


class PreflightFailed(UserError):
    """The account is not in a mode that the desk supports."""


class VenueError(ContractdeskError):
    """The venue answered with an error, or failed to answer."""


class VenueUnreachable(VenueError):
    """No answer, and nothing that changes the account was under way: try again."""


class VenueRejected(VenueError):
    """The venue refused, definitively."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


class RateLimited(VenueError):
    """The venue asks for silence (429), or has banned the address (418)."""

    def __init__(self, status: int, retry_after_s: float) -> None:
        super().__init__(f"HTTP {status}: silent for {retry_after_s:.3f} s")
        self.status = status
        self.retry_after_s = retry_after_s


class OutcomeLost(VenueError):
    """A request that may have been executed got no answer: query it, never send it again."""


class VenueProtocolError(VenueError):
    """A frame that no codec of the venue understands."""

    def __init__(self, venue: str, frame: bytes) -> None:
        super().__init__(f"{venue} sent a frame that cannot be decoded: {frame[:200]!r}")
        self.venue = venue
        self.frame = frame


class StorageError(ContractdeskError):
    """The journal or the tape cannot be written or read."""


class StorageDamaged(StorageError):
    """What is on the disk is not what was written there: it is not to be built on."""


class EngineFault(ContractdeskError):
    """An invariant of the core is broken: the desk halts rather than guess."""


class CallbackOverrun(BaseException):
    """A strategy's callback runs for too long. Not an Exception: foreign code must not catch it by habit."""
