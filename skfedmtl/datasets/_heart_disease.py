"""Heart disease, one node a hospital."""

import numpy as np

from skfedmtl.datasets._base import check_output, make_result
from skfedmtl.datasets._fetch import read_source

__all__ = ["fetch_heart_disease"]


def fetch_heart_disease(*, data_home=None, as_frame=False, return_X_y_nodes=False):
    """Read the heart disease data: patients of four hospitals, one node each (binary).

    =================   ===================================
    Samples total       920
    Features            13, real, with missing values
    Nodes               4 hospitals, 123 to 303 rows each
    Classes             2
    =================   ===================================

    Parameters
    ----------
    data_home : str or path-like, default=None
        The folder where `heart_disease.npz` lies: see :func:`get_data_home`.

    as_frame : bool, default=False
        If True, `data` is a pandas DataFrame, `target` and `nodes` are pandas Series, and `frame`
        holds them all. Needs pandas.

    return_X_y_nodes : bool, default=False
        If True, return `(data, target, nodes)` instead of a Bunch.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        Dictionary-like object, with these attributes.

        data : ndarray or DataFrame of shape (920, 13), dtype float64
            Findings, in the units of `DESCR`. Missing values are NaN; besides, `chol` 0 (172 rows)
            and `trestbps` 0 (one row) mean a missing value and are left as published.
        target : ndarray or Series of shape (920,), dtype int64
            1 if a vessel is narrowed by more than half, else 0.
        nodes : ndarray or Series of shape (920,), dtype str
            The hospital: `cleveland`, `hungarian`, `switzerland` or `va`.
        feature_names : list of 13 str
            The columns of `data`.
        target_names : ndarray of 2 str
            `target_names[target]` is the class.
        frame : DataFrame of shape (920, 15) or None
            The features, `node` and `disease`. None unless `as_frame=True`.
        DESCR : str
            The full description, with licence and source.

    (X, y, nodes) : tuple
        `data`, `target` and `nodes` as above, if `return_X_y_nodes=True`.

    Raises
    ------
    OSError
        If `heart_disease.npz` is not in the data home, or its sha256 is not the expected one.
    TypeError
        If `data_home` is not a path, or `as_frame` or `return_X_y_nodes` is not a bool.
    ImportError
        If `as_frame=True` and pandas is not installed.

    References
    ----------
    .. [1] A. Janosi, W. Steinbrunn, M. Pfisterer, R. Detrano, Heart Disease, UCI Machine Learning
       Repository, 1988. DOI 10.24432/C52P4X.

    Examples
    --------
    >>> from skfedmtl.datasets import fetch_heart_disease
    >>> X, y, nodes = fetch_heart_disease(return_X_y_nodes=True)  # doctest: +SKIP
    """
    check_output(as_frame, return_X_y_nodes)
    arrays = read_source("heart_disease", data_home)
    return make_result(
        arrays["X"],
        arrays["y"].astype(np.int64),
        arrays["node_names"][arrays["nodes"]],
        feature_names=arrays["feature_names"].tolist(),
        target_column="disease",
        descr="heart_disease.rst",
        as_frame=as_frame,
        return_X_y_nodes=return_X_y_nodes,
        extra={"target_names": np.array(["no disease", "disease"])},
    )
