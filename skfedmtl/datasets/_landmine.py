"""Land mine detection by radar, one node a field."""

import numpy as np

from skfedmtl.datasets._base import check_output, make_result
from skfedmtl.datasets._fetch import read_source

__all__ = ["fetch_landmine"]


def fetch_landmine(*, data_home=None, as_frame=False, return_X_y_nodes=False):
    """Read the land mine data: radar images, one node a mine field (binary classification).

    A mine (6 % of the rows) is to be told from clutter.

    =================   ===================================
    Samples total       14820
    Features            9, real
    Nodes               29 fields, 445 to 690 rows each
    Classes             2
    =================   ===================================

    Parameters
    ----------
    data_home : str or path-like, default=None
        The folder where `landmine.npz` lies: see :func:`get_data_home`.

    as_frame : bool, default=False
        If True, `data` is a pandas DataFrame, `target` and `nodes` are pandas Series, and `frame`
        holds them all. Needs pandas.

    return_X_y_nodes : bool, default=False
        If True, return `(data, target, nodes)` instead of a Bunch.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        Dictionary-like object, with these attributes.

        data : ndarray or DataFrame of shape (14820, 9), dtype float64
            Features of the radar image, as published: the source has neither names nor units.
        target : ndarray or Series of shape (14820,), dtype int64
            1 for a mine, 0 for clutter.
        nodes : ndarray or Series of shape (14820,), dtype int64
            The field, 0 to 28. Fields 0 to 14 are foliated, 15 to 28 bare.
        feature_names : list of 9 str
            `feature_0` to `feature_8`.
        target_names : ndarray of 2 str
            `target_names[target]` is the class.
        frame : DataFrame of shape (14820, 11) or None
            The features, `node` and `mine`. None unless `as_frame=True`.
        DESCR : str
            The full description, with licence and source.

    (X, y, nodes) : tuple
        `data`, `target` and `nodes` as above, if `return_X_y_nodes=True`.

    Raises
    ------
    OSError
        If `landmine.npz` is not in the data home, or its sha256 is not the expected one.
    TypeError
        If `data_home` is not a path, or `as_frame` or `return_X_y_nodes` is not a bool.
    ImportError
        If `as_frame=True` and pandas is not installed.

    References
    ----------
    .. [1] Y. Xue, X. Liao, L. Carin, B. Krishnapuram, "Multi-Task Learning for Classification with
       Dirichlet Process Priors", Journal of Machine Learning Research 8 (2007) 35-63.

    Examples
    --------
    >>> from skfedmtl.datasets import fetch_landmine
    >>> X, y, nodes = fetch_landmine(return_X_y_nodes=True)  # doctest: +SKIP
    """
    check_output(as_frame, return_X_y_nodes)
    arrays = read_source("landmine", data_home)
    return make_result(
        arrays["X"],
        arrays["y"].astype(np.int64),
        arrays["nodes"].astype(np.int64),
        feature_names=[f"feature_{j}" for j in range(arrays["X"].shape[1])],
        target_column="mine",
        descr="landmine.rst",
        as_frame=as_frame,
        return_X_y_nodes=return_X_y_nodes,
        extra={"target_names": np.array(["clutter", "mine"])},
    )
