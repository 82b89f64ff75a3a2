"""What the loaders and fetchers share: the data home, checked files, and the Bunch they return."""

import math
import numbers
import os
from collections.abc import Mapping, Sequence
from importlib.resources import files
from importlib.resources.abc import Traversable
from types import ModuleType
from typing import Any

import numpy as np
from sklearn.utils import Bunch

DATA_HOME_VARIABLE = "SKFEDMTL_DATA"
DEFAULT_DATA_HOME = "~/skfedmtl_data"


def get_data_home(data_home: str | os.PathLike[str] | None = None) -> str:
    """Return the folder where the ``fetch_*`` functions look for their files and keep them.

    The folder need not exist; it is created when something is downloaded.

    Parameters
    ----------
    data_home : str or path-like, default=None
        The folder. If None, it is the value of the environment variable `SKFEDMTL_DATA`, and if
        that is unset or empty, `~/skfedmtl_data`. A leading `~` stands for the home folder.

    Returns
    -------
    data_home : str
        The folder's path.

    Raises
    ------
    TypeError
        If `data_home` is neither None nor a path.
    ValueError
        If `data_home` is an empty string.

    Examples
    --------
    >>> from skfedmtl.datasets import get_data_home
    >>> get_data_home("my_data")
    'my_data'
    """
    if data_home is None:
        data_home = os.environ.get(DATA_HOME_VARIABLE) or DEFAULT_DATA_HOME
    if not isinstance(data_home, (str, os.PathLike)):
        raise TypeError(
            f"data_home must be None, a str or a path-like; got {data_home!r} "
            f"of type {type(data_home).__name__}"
        )
    path = os.fspath(data_home)
    if not path:
        raise ValueError("data_home must be None or the path of a folder; got an empty string")
    return os.path.expanduser(path)


def check_target(target: object, allowed: Sequence[str]) -> None:
    """Raise ValueError unless `target` is one of the strings `allowed`."""
    if not (isinstance(target, str) and target in allowed):
        raise ValueError(f"target must be one of {', '.join(map(repr, allowed))}; got {target!r}")


def check_output(as_frame: object, return_X_y_nodes: object) -> None:
    """Raise TypeError unless both are True or False; ImportError if pandas is asked for in vain."""
    for name, value in [("as_frame", as_frame), ("return_X_y_nodes", return_X_y_nodes)]:
        if not isinstance(value, (bool, np.bool_)):
            raise TypeError(f"{name} must be True or False; got {value!r}")
    if as_frame:
        import_pandas()


def check_download(download_if_missing: object, n_retries: object, delay: object) -> None:
    """Raise TypeError or ValueError unless the arguments say whether and how to download."""
    if not isinstance(download_if_missing, (bool, np.bool_)):
        raise TypeError(f"download_if_missing must be True or False; got {download_if_missing!r}")
    if isinstance(n_retries, bool) or not isinstance(n_retries, numbers.Integral):
        raise TypeError(f"n_retries must be a whole number of at least 0; got {n_retries!r}")
    if isinstance(delay, bool) or not isinstance(delay, numbers.Real):
        raise TypeError(f"delay must be a number of seconds, at least 0; got {delay!r}")
    if n_retries < 0:
        raise ValueError(f"n_retries must be a whole number of at least 0; got {n_retries!r}")
    if not (math.isfinite(delay) and float(delay) >= 0.0):
        raise ValueError(f"delay must be a finite number of seconds, at least 0; got {delay!r}")


def import_pandas() -> ModuleType:
    """Import pandas, or say what asked for it."""
    try:
        import pandas
    except ImportError as error:
        raise ImportError(
            "as_frame=True needs pandas, which could not be imported. Install pandas, or pass "
            "as_frame=False to get numpy arrays."
        ) from error
    return pandas


def package_file(folder: str, name: str) -> Traversable:
    """Return the file `name` in `folder` of the installed package."""
    return files("skfedmtl.datasets") / folder / name


def make_result(
    data: np.ndarray,
    target: np.ndarray,
    nodes: np.ndarray,
    *,
    feature_names: Sequence[str],
    target_column: str,
    descr: str,
    as_frame: bool,
    return_X_y_nodes: bool,
    extra: Mapping[str, Any] | None = None,
) -> Any:
    """Return what the loaders return.

    Parameters
    ----------
    data : ndarray of shape (n_samples, n_features)
        The rows.
    target : ndarray of shape (n_samples,)
        What is to be predicted.
    nodes : ndarray of shape (n_samples,)
        The label of each row's node.
    feature_names : sequence of n_features str
        The columns of `data`, all different.
    target_column : str
        The column of the target in the frame.
    descr : str
        Name of the file in `descr/`.
    as_frame, return_X_y_nodes : bool
        The arguments of the loaders.
    extra : mapping, default=None
        More entries for the Bunch.

    Returns
    -------
    result : Bunch or tuple
        The Bunch, or `(data, target, nodes)` if `return_X_y_nodes`.
    """
    names = list(feature_names)
    frame: Any = None
    X: Any = data
    y: Any = target
    labels: Any = nodes
    if as_frame:
        pandas = import_pandas()
        X = pandas.DataFrame(data, columns=names)
        y = pandas.Series(target, name=target_column)
        labels = pandas.Series(nodes, name="node")
        frame = pandas.concat([X, labels, y], axis=1)
    if return_X_y_nodes:
        return X, y, labels
    return Bunch(
        data=X,
        target=y,
        nodes=labels,
        frame=frame,
        feature_names=names,
        **(extra or {}),
        DESCR=package_file("descr", descr).read_text(encoding="utf-8"),
    )
