"""Columns of the tables of a replay."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

_NEVER = np.iinfo(np.int64).min  # numpy's NaT


def stamps(times_ns: Iterable[int]) -> Any:
    """UTC ns as pandas' aware datetimes, exact to the ns; 0 is never (NaT)."""
    import pandas as pd

    whole = np.array([each or _NEVER for each in times_ns], dtype=np.int64)
    return pd.to_datetime(whole.view("datetime64[ns]"), utc=True)


def spans(lengths_ns: Iterable[int]) -> Any:
    """Lengths of time, ns, as pandas' timedeltas."""
    import pandas as pd

    return pd.to_timedelta(np.array(list(lengths_ns), dtype=np.int64), unit="ns")


def whole_ns(values: Any) -> NDArray[np.int64]:
    """A column or index of times (since 1970, UTC) or of timedeltas, as ns."""
    import pandas as pd

    index = pd.Index(values)
    return np.asarray(index.as_unit("ns").asi8, dtype=np.int64)


def rows_of(frame: pd.DataFrame) -> Iterator[Any]:
    """Each row as a named tuple, ``.Index`` included."""
    yield from frame.itertuples()
