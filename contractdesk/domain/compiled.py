"""The one way to a compiled kernel: numba, cached on disk.

Importing this module imports numba (0.6 s of CPU), so only modules of kernels do, and those are
themselves imported when the first object that needs them is made.

Kernels keep the GIL: they last microseconds, and a thread that lets go of it while a cell computes
waits for the interpreter's switch interval to get it back (measured: 115 us a call on average,
instead of 0.3).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numba.extending
import numpy as np
from numpy.typing import NDArray

F = TypeVar("F", bound=Callable[..., Any])
Ints = NDArray[np.int64]

# What the arguments of a kernel may be:
INT = numba.types.int64
BYTES = numba.types.Bytes(numba.types.uint8, 1, "C", readonly=True)  # a ``bytes`` object
ROW = numba.types.Array(INT, 1, "C")
PAIR = cast("Any", numba.types.UniTuple)(INT, 2)


_kept: list[object] = []  # the dispatchers own the machine code


def kernel(signature: object) -> Callable[[F], F]:
    """Compile for exactly this signature when the module is imported; later, read it from the cache.

    What is returned is the compiled entry itself: numba's dispatcher would spend 0.3 us a call to
    find the only signature there is. Wrong types of arguments are a TypeError. The cache looks at
    the file of the kernel alone: after a change here, delete ``__pycache__/*.nb?``.
    """

    def compiled(function: F) -> F:
        dispatcher: Any = numba.njit(signature, cache=True, error_model="numpy")(function)
        _kept.append(dispatcher)
        (only,) = dispatcher.overloads.values()
        return cast("F", only.entry_point)

    return compiled


def intrinsic(generator: Callable[..., Any]) -> Any:
    """A part that is given as LLVM code: (typing context, argument types) -> signature, builder of code."""
    return numba.extending.intrinsic(generator)


def part(function: F) -> F:
    """A function that kernels call; it becomes part of each.

    Hand it the kernel's arrays as ``ints_of`` and ``bytes_of`` them: an array argument costs two
    calls of numba's reference counting, a pointer nothing.
    """
    return cast("F", numba.njit(error_model="numpy", forceinline=True)(function))


def _pointer_to(kind: Any) -> Any:
    def typed(_typing: Any, buffer: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            source = context.make_helper(builder, signature.args[0], value=arguments[0])
            return builder.bitcast(source.data, context.get_value_type(signature.return_type))

        return cast("Any", numba.types.CPointer)(kind)(buffer), generate

    return intrinsic(typed)


# The memory of an array or of ``bytes``, inside a kernel: indexed as those are, but from its start
# only, and without a length.
ints_of = _pointer_to(numba.types.int64)
bytes_of = _pointer_to(numba.types.uint8)
