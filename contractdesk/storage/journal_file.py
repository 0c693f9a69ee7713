"""The journal's file: its tables, how it is opened, and what its failures mean."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from contractdesk.errors import StorageDamaged, StorageError

SCHEMA = 1
BUSY_S = 5.0
CHECKED_WHOLE = 64 << 20  # bytes; a larger file is checked by ``contractdesk doctor``, not at each start

TABLES = """
CREATE TABLE IF NOT EXISTS records (
    seq INTEGER NOT NULL, part INTEGER NOT NULL, ts_ns INTEGER NOT NULL,
    kind TEXT NOT NULL, payload BLOB NOT NULL, crc INTEGER NOT NULL,
    PRIMARY KEY (seq, part)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sessions (
    first_seq INTEGER PRIMARY KEY, opened_ns INTEGER NOT NULL, meta BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS sources (sha256 TEXT PRIMARY KEY, source TEXT NOT NULL) WITHOUT ROWID;
"""


def open_for_writing(path: Path) -> sqlite3.Connection:
    """Create the file where there is none, check it where there is. StorageError says what to do."""
    with guarded(path):
        connection = sqlite3.connect(path, timeout=BUSY_S, check_same_thread=False, isolation_level=None)
        try:
            _refuse_newer(connection, path)
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")  # a commit is on the disk when it returns
            connection.executescript(TABLES)
            connection.execute(f"PRAGMA user_version={SCHEMA}")
            if path.stat().st_size <= CHECKED_WHOLE:
                check(connection, path)
        except BaseException:
            connection.close()
            raise
    with suppress(OSError):  # a file system without modes
        path.chmod(0o600)
    return connection


def open_for_reading(path: Path) -> sqlite3.Connection:
    """Read-only, also while another process writes."""
    if not path.exists():
        raise StorageError(f"there is no journal at {path}")
    with guarded(path):
        uri = f"{path.resolve().as_uri()}?mode=ro"
        connection = sqlite3.connect(uri, uri=True, timeout=BUSY_S, check_same_thread=False)
        try:
            _refuse_newer(connection, path)
        except BaseException:
            connection.close()
            raise
    return connection


def check(connection: sqlite3.Connection, path: Path) -> None:
    """SQLite's own check of the whole file; StorageError when it is damaged."""
    (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if found != "ok":
        raise _damaged(path, found)


@contextmanager
def guarded(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into StorageError with what to do."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise StorageError(
            f"journal {path}: {error}; look for a full disk, missing permission or another writer"
        ) from error
    except sqlite3.IntegrityError as error:
        raise StorageError(
            f"journal {path} has this record already ({error}): a number was used twice"
        ) from error
    except sqlite3.Error as error:  # "file is not a database", "database disk image is malformed"
        raise _damaged(path, error) from error
    except OSError as error:
        raise StorageError(f"journal {path}: {error}") from error


def _refuse_newer(connection: sqlite3.Connection, path: Path) -> None:
    (schema,) = connection.execute("PRAGMA user_version").fetchone()
    if schema > SCHEMA:
        raise StorageError(
            f"journal {path} has schema {schema}, this contractdesk knows {SCHEMA}: "
            "update contractdesk, or move the file away to begin a new journal"
        )


def _damaged(path: Path, detail: object) -> StorageDamaged:
    return StorageDamaged(
        f"journal {path} is damaged ({detail}). Flatten or protect by hand what is open on the venue, "
        "move the file away (keep it: `sqlite3 FILE .recover` reads what is left) and open the desk again; "
        "it then reconciles with the venue"
    )
