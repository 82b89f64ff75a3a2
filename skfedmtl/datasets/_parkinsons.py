"""Parkinson's telemonitoring by voice, one node a patient."""

from collections.abc import Mapping

import numpy as np

from skfedmtl._tools.layout import Field
from skfedmtl.datasets._base import check_download, check_output, check_target, make_result
from skfedmtl.datasets._fetch import fetch_arrays
from skfedmtl.datasets._source import Member, Source

__all__ = ["fetch_parkinsons"]


def _parse(contents: Mapping[str, bytes]) -> dict[str, np.ndarray]:
    """Tell the columns apart: patient, three extra ones, two targets, 16 features."""
    header, *lines = contents["parkinsons_updrs.data"].decode("ascii").splitlines()
    names = header.split(",")
    values = np.loadtxt(lines, delimiter=",")
    return {
        "X": values[:, 6:].copy(),
        "y_motor": values[:, 4].copy(),
        "y_total": values[:, 5].copy(),
        "nodes": values[:, 0].astype(np.int16),
        "extra": values[:, 1:4].copy(),
        "feature_names": np.array(names[6:]),
        "extra_names": np.array(names[1:4]),
    }


# The sha256 of the publishers' archive is not known; that of the file has been published.
SOURCE = Source(
    "parkinsons",
    "90f7f5763695741ce73cf6d57beaaaa4e67c5eb97d9741f73ca7978c063e17d9",
    {
        "X": Field((5875, 16), "float64"),
        "y_motor": Field((5875,), "float64"),
        "y_total": Field((5875,), "float64"),
        "nodes": Field((5875,), "int16", 1, 42),
        "extra": Field((5875, 3), "float64"),
        "feature_names": Field((16,), "strings"),
        "extra_names": Field((3,), "strings"),
    },
    (
        Member(
            "parkinsons_updrs.data",
            911261,
            "f2c7d5025dec4e92e7feae367a5f7ccf58789a10ac6b54bdf15976c599f9dd39",
        ),
    ),
    (
        "https://archive.ics.uci.edu/static/public/189/parkinsons+telemonitoring.zip",
        "https://archive.ics.uci.edu/ml/machine-learning-databases/parkinsons/telemonitoring/",
        "https://raw.githubusercontent.com/behnazrzf/Parkinson-s_Telemonitoring/"
        "f603774b38bfc967f20b4752bec4b6f872917d98/data/",
    ),
    ("parkinsons+telemonitoring.zip",),
    _parse,
)


def fetch_parkinsons(
    target="total",
    *,
    data_home=None,
    download_if_missing=True,
    n_retries=3,
    delay=1.0,
    as_frame=False,
    return_X_y_nodes=False,
):
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
        The folder where the data are looked for and kept: see :func:`get_data_home`. Put there
        by hand, `parkinsons.npz`, `parkinsons+telemonitoring.zip` or
        `parkinsons_updrs.data` is used.

    download_if_missing : bool, default=True
        If False, raise an OSError instead of downloading what is not in `data_home`.

    n_retries : int, default=3
        How often to go through the addresses again when none of them has answered.

    delay : float, default=1.0
        Seconds to wait before that.

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
        If the data are not in the data home and could not be downloaded, or are not the expected
        ones: sizes and sha256 of the files are checked, and the arrays made of them.
    TypeError
        If an argument is of another type than stated.
    ValueError
        If `target` is neither of the two, or `n_retries` or `delay` is negative.
    ImportError
        If `as_frame=True` and pandas is not installed.

    Warns
    -----
    RuntimeWarning
        If what was downloaded cannot be kept, on a full disk say: it will be downloaded again.

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
    check_download(download_if_missing, n_retries, delay)
    arrays = fetch_arrays(SOURCE, data_home, download_if_missing, n_retries, delay)
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
