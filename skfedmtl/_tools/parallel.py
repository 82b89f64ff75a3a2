"""Calls that joblib's workers make, with what they have in common handed to every worker once.

joblib's backends look at the arguments of a call one by one, never into tuples or objects: what is
large is sent to a cluster of dask or ray once, and kept there for the other calls. loky maps every
array of more than a megabyte into all processes, and sends the rest with every call.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable, Iterable
from functools import cached_property, update_wrapper
from itertools import chain, islice
from typing import Any

import numpy as np
from joblib.parallel import get_active_backend
from numpy.typing import NDArray
from sklearn.utils.parallel import Parallel, delayed

try:
    from joblib.externals.cloudpickle import CloudPickler
except ImportError:  # joblib 1.6 has it from its own package
    from cloudpickle import CloudPickler

_LARGE = 2**20  #: bytes beyond which joblib maps an array into its processes, `max_nbytes`


def call_each(
    function: Callable[..., Any],
    common: tuple[Any, ...],
    own: Iterable[tuple[Any, ...]],
    *,
    n_jobs: int | None,
    **options: Any,
) -> Any:
    """What ``function(*common, *one)`` returns for each `one` of `own`, in their order.

    Calls of one process or worker may get the same `common`: they are not to change it.

    Parameters
    ----------
    function : callable
        One that workers can import.
    common : tuple
        The first arguments of every call.
    own : iterable of tuple
        The others of each; what is large is better among the common ones.
    n_jobs : int or None
        Calls at a time, as in joblib; a single one is made in this process.
    **options
        Others of `joblib.Parallel`.

    Returns
    -------
    results : list, or generator where one is asked for and the backend has them
    """
    backend, _ = get_active_backend()
    if not getattr(backend, "supports_return_generator", False):
        options.pop("return_as", None)  # on ray and Spark all results come in the end
    shared = Shared(common)
    named = delayed(_WithShared(function))
    calls = iter(own)
    first = list(islice(calls, 2))
    if len(first) < 2:
        n_jobs = 1  # processes would be started for nothing
    return Parallel(n_jobs=n_jobs, **options)(named(shared, *one) for one in chain(first, calls))


class Shared:
    """One argument of many calls, which backends of joblib see the size of.

    Parameters
    ----------
    value : object
        Whatever joblib can send.
    """

    def __init__(self, value: Any) -> None:
        self.value = value

    def __sizeof__(self) -> int:
        # dask and ray ask it whether an argument is worth sending by itself
        packed, large = self._packed
        return packed.nbytes + sum(array.nbytes for array in large)

    def __reduce__(self) -> tuple[Any, ...]:
        return _open, self._packed

    @cached_property
    def _packed(self) -> tuple[NDArray[np.uint8], list[NDArray[Any]]]:
        """The value without its large arrays, and these.

        Arrays, as those are what loky maps; the same ones for every call, as it knows them by their
        identity. Small arrays are packed since a thousand of them may be as large as a large one.
        """
        file = io.BytesIO()
        packer = _Packer(file)
        packer.dump(self.value)
        return np.frombuffer(file.getbuffer(), dtype=np.uint8), packer.large


def _open(packed: NDArray[np.uint8], large: list[NDArray[Any]]) -> Shared:
    shared = Shared(_Opener(packed, large).load())
    # what goes on to another worker is as it came
    shared.__dict__["_packed"] = packed, large
    return shared


class _Packer(CloudPickler):
    """Leaves large arrays out, each once."""

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file, protocol=5)
        self.large: list[NDArray[Any]] = []
        self._places: dict[int, int] = {}

    def persistent_id(self, value: Any) -> int | None:
        """The place of a large array; what others are is told by None."""
        if not isinstance(value, np.ndarray) or value.dtype.hasobject or value.nbytes <= _LARGE:
            return None
        if id(value) not in self._places:
            self._places[id(value)] = len(self.large)
            self.large.append(value)
        return self._places[id(value)]


class _Opener(pickle.Unpickler):
    """Puts large arrays where they were."""

    def __init__(self, packed: NDArray[np.uint8], large: list[NDArray[Any]]) -> None:
        super().__init__(io.BytesIO(packed.data))
        self._large = large

    def persistent_load(self, place: int) -> NDArray[Any]:
        """The array of that place."""
        return self._large[place]


class _WithShared:
    """A function whose first arguments come in one, under its own name."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        update_wrapper(self, function)

    def __call__(self, shared: Shared, *own: Any) -> Any:
        return self._function(*shared.value, *own)
