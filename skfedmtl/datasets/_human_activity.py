"""Human activity from a phone's motion sensors, one node a person."""

from collections import Counter

import numpy as np

from skfedmtl.datasets._base import check_output, make_result
from skfedmtl.datasets._fetch import read_source

__all__ = ["fetch_human_activity"]


def fetch_human_activity(*, data_home=None, as_frame=False, return_X_y_nodes=False):
    """Read the human activity data: a phone's motion sensors, one node a person (6 classes).

    =================   ===================================
    Samples total       10299
    Features            561, real, -1 to 1
    Nodes               30 people, 281 to 409 rows each
    Classes             6
    =================   ===================================

    Parameters
    ----------
    data_home : str or path-like, default=None
        The folder where `human_activity.npz` lies: see :func:`get_data_home`.

    as_frame : bool, default=False
        If True, `data` is a pandas DataFrame, `target` and `nodes` are pandas Series, and `frame`
        holds them all. Needs pandas.

    return_X_y_nodes : bool, default=False
        If True, return `(data, target, nodes)` instead of a Bunch.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        Dictionary-like object, with these attributes.

        data : ndarray or DataFrame of shape (10299, 561), dtype float32
            Features of the acceleration and rotation, without unit. They stay float32, as the file
            holds them: the published text is matched to 3e-8.
        target : ndarray or Series of shape (10299,), dtype int64
            The activity, 1 to 6.
        nodes : ndarray or Series of shape (10299,), dtype int64
            The person, 1 to 30.
        feature_names : list of 561 str
            The published names. 42 of them occur three times each; the second and third occurrence
            end in `_2` and `_3`, so that all differ.
        target_names : ndarray of 6 str
            `target_names[target - 1]` is the activity.
        frame : DataFrame of shape (10299, 563) or None
            The features, `node` and `activity`. None unless `as_frame=True`.
        DESCR : str
            The full description, with licence and source.

    (X, y, nodes) : tuple
        `data`, `target` and `nodes` as above, if `return_X_y_nodes=True`.

    Raises
    ------
    OSError
        If `human_activity.npz` is not in the data home, or its sha256 is not the expected one.
    TypeError
        If `data_home` is not a path, or `as_frame` or `return_X_y_nodes` is not a bool.
    ImportError
        If `as_frame=True` and pandas is not installed.

    References
    ----------
    .. [1] D. Anguita, A. Ghio, L. Oneto, X. Parra, J. L. Reyes-Ortiz, "A Public Domain Dataset for
       Human Activity Recognition Using Smartphones", ESANN 2013. DOI 10.24432/C54S4K.

    Examples
    --------
    >>> from skfedmtl.datasets import fetch_human_activity
    >>> X, y, nodes = fetch_human_activity(return_X_y_nodes=True)  # doctest: +SKIP
    """
    check_output(as_frame, return_X_y_nodes)
    arrays = read_source("human_activity", data_home)
    return make_result(
        arrays["X"],
        arrays["y"].astype(np.int64),
        arrays["nodes"].astype(np.int64),
        feature_names=_number_repeats(arrays["feature_names"].tolist()),
        target_column="activity",
        descr="human_activity.rst",
        as_frame=as_frame,
        return_X_y_nodes=return_X_y_nodes,
        extra={"target_names": arrays["activity_names"]},
    )


def _number_repeats(names: list[str]) -> list[str]:
    """Append `_2`, `_3`, ... to the second, third, ... occurrence of a name."""
    seen: Counter[str] = Counter()
    unique = []
    for name in names:
        seen[name] += 1
        unique.append(name if seen[name] == 1 else f"{name}_{seen[name]}")
    return unique
