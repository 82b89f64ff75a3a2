"""Land mine detection by radar, one node a field."""

import io
from collections.abc import Mapping

import numpy as np
from scipy.io import loadmat

from skfedmtl._tools.layout import Field
from skfedmtl.datasets._base import check_download, check_output, make_result
from skfedmtl.datasets._fetch import fetch_arrays
from skfedmtl.datasets._source import Member, Source

__all__ = ["fetch_landmine"]


def _parse(contents: Mapping[str, bytes]) -> dict[str, np.ndarray]:
    """Read the cells of the fields: `feature` and `label`."""
    fields = loadmat(io.BytesIO(contents["LandmineData.mat"]), variable_names=["feature", "label"])
    rows, labels = fields["feature"].ravel(), fields["label"].ravel()
    return {
        "X": np.vstack(rows).astype(np.float64),
        "y": np.vstack(labels).ravel().astype(np.int8),
        "nodes": np.repeat(np.arange(len(rows), dtype=np.int16), [len(field) for field in rows]),
    }


# The sha256 of the publishers' archive is not known; that of the file is that of the copy at the
# second address.
SOURCE = Source(
    "landmine",
    "7e6919058392c02b9dbe37ef4001c192d08e923aade9d2d042695860e219fd60",
    {
        "X": Field((14820, 9), "float64"),
        "y": Field((14820,), "int8", 0, 1),
        "nodes": Field((14820,), "int16", 0, 28),
    },
    (
        Member(
            "LandmineData.mat",
            1085456,
            "2163ab20a80e33a8b65593c48cf283c540599dcb291105e63fa4af2ce24c2bea",
        ),
    ),
    (
        "http://www.ee.duke.edu/~lcarin/LandmineData.zip",
        "https://raw.githubusercontent.com/daizhongxiang/Federated_Bayesian_Optimization/"
        "30a4548606f2ae9bc62c6bf0eb4110177aa3876a/",
    ),
    ("LandmineData.zip",),
    _parse,
)


def fetch_landmine(
    *,
    data_home=None,
    download_if_missing=True,
    n_retries=3,
    delay=1.0,
    as_frame=False,
    return_X_y_nodes=False,
):
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
        The folder where the data are looked for and kept: see :func:`get_data_home`. Put there
        by hand, `landmine.npz`, `LandmineData.zip` or `LandmineData.mat` is used.

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
        If the data are not in the data home and could not be downloaded, or are not the expected
        ones: sizes and sha256 of the files are checked, and the arrays made of them.
    TypeError
        If an argument is of another type than stated.
    ValueError
        If `n_retries` or `delay` is negative.
    ImportError
        If `as_frame=True` and pandas is not installed.

    Warns
    -----
    RuntimeWarning
        If what was downloaded cannot be kept, on a full disk say: it will be downloaded again.

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
    check_download(download_if_missing, n_retries, delay)
    arrays = fetch_arrays(SOURCE, data_home, download_if_missing, n_retries, delay)
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
