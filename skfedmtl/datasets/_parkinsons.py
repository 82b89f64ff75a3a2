"""Parkinson's telemonitoring by voice, one node a patient."""

import numpy as np

from skfedmtl.datasets._base import check_output, check_target, make_result
from skfedmtl.datasets._fetch import read_source

__all__ = ["fetch_parkinsons"]


def fetch_parkinsons(target="total", *, data_home=None, as_frame=False, return_X_y_nodes=False):
    """Read the Parkinson's telemonitoring data: voice recordings, one node a patient (regression).

    =================   ===================================
    Samples total       5875
    Features            16, real
    Nodes               42 patients, 101 to 168 rows each
    Targets             total 7 to 54.99, motor 5.04 to 39.51
    =================   ===================================

    Parameters
    ----------
    target : {"total", "motor"}, default="total"
        Which score of the unified Parkinson's disease rating scale (UPDRS) is to be predicted.

    data_home : str or path-like, default=None
        The folder where `parkinsons.npz` lies: see :func:`get_data_home`.

    as_frame : bool, default=False
        If True, `data` is a pandas DataFrame, `target` and `nodes` are pandas Series, and `frame`
        holds them all. Needs pandas.

    return_X_y_nodes : bool, default=False
        If True, return `(data, target, nodes)` instead of a Bunch.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        Dictionary-like object, with these attributes.

        data : ndarray or DataFrame of shape (5875, 16), dtype float64
            Measures of the voice, in the units of `DESCR`.
        target : ndarray or Series of shape (5875,), dtype float64
            The score, in points: higher is worse.
        nodes : ndarray or Series of shape (5875,), dtype int64
            The patient, 1 to 42.
        feature_names : list of 16 str
            The columns of `data`.
        frame : DataFrame of shape (5875, 18) or None
            The features, `node`, and `total_UPDRS` or `motor_UPDRS`. None unless `as_frame=True`.
        DESCR : str
            The full description, with licence and source.

    (X, y, nodes) : tuple
        `data`, `target` and `nodes` as above, if `return_X_y_nodes=True`.

    Raises
    ------
    OSError
        If `parkinsons.npz` is not in the data home, or its sha256 is not the expected one.
    TypeError
        If `data_home` is not a path, or `as_frame` or `return_X_y_nodes` is not a bool.
    ValueError
        If `target` is neither of the two.
    ImportError
        If `as_frame=True` and pandas is not installed.

    References
    ----------
    .. [1] A. Tsanas, M. A. Little, P. E. McSharry, L. O. Ramig, "Accurate Telemonitoring of
       Parkinson's Disease Progression by Noninvasive Speech Tests", IEEE Transactions on
       Biomedical Engineering 57 (2010) 884-893. DOI 10.24432/C5ZS3N.

    Examples
    --------
    >>> from skfedmtl.datasets import fetch_parkinsons
    >>> X, y, nodes = fetch_parkinsons("motor", return_X_y_nodes=True)  # doctest: +SKIP
    """
    check_target(target, ("total", "motor"))
    check_output(as_frame, return_X_y_nodes)
    arrays = read_source("parkinsons", data_home)
    return make_result(
        arrays["X"],
        arrays[f"y_{target}"],
        arrays["nodes"].astype(np.int64),
        feature_names=arrays["feature_names"].tolist(),
        target_column=f"{target}_UPDRS",
        descr="parkinsons.rst",
        as_frame=as_frame,
        return_X_y_nodes=return_X_y_nodes,
    )
