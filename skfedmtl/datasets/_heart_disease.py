"""Heart disease, one node a hospital."""

from collections.abc import Mapping

import numpy as np

from skfedmtl._tools.layout import Field
from skfedmtl.datasets._base import check_download, check_output, make_result
from skfedmtl.datasets._fetch import fetch_arrays
from skfedmtl.datasets._source import Member, Source

__all__ = ["fetch_heart_disease"]


_HOSPITALS = ("cleveland", "hungarian", "switzerland", "va")
_FEATURES = "age sex cp trestbps chol fbs restecg thalach exang oldpeak slope ca thal".split()


def _parse(contents: Mapping[str, bytes]) -> dict[str, np.ndarray]:
    """Stack the hospitals; the last column is the diagnosis, 0 to 4."""
    values, nodes = [], []
    for code, hospital in enumerate(_HOSPITALS):
        lines = contents[f"processed.{hospital}.data"].decode("ascii").split()
        values += [[_number(word) for word in line.split(",")] for line in lines]
        nodes += [code] * len(lines)
    X, num = np.hsplit(np.array(values), [-1])
    num = num.ravel().astype(np.int8)
    return {
        "X": X.copy(),
        "y": (num > 0).astype(np.int8),
        "num": num,
        "nodes": np.array(nodes, dtype=np.int16),
        "feature_names": np.array(_FEATURES),
        "node_names": np.array(_HOSPITALS),
    }


def _number(word: str) -> float:
    return np.nan if word == "?" else float(word)


# The sha256 of the publishers' archive is not known; those of the files have been published.
SOURCE = Source(
    "heart_disease",
    "b6a3e0c09bc82c1926bf29a93682dd34827145b9c533c193f1abf52b09103ece",
    {
        "X": Field((920, 13), "float64", finite=False),
        "y": Field((920,), "int8", 0, 1),
        "num": Field((920,), "int8", 0, 4),
        "nodes": Field((920,), "int16", 0, 3),
        "feature_names": Field((13,), "strings"),
        "node_names": Field((4,), "strings"),
    },
    (
        Member(
            "processed.cleveland.data",
            18461,
            "a74b7efa387bc9d108d7d0115d831fe9b414b29ae7124f331b622b4efa0427c8",
        ),
        Member(
            "processed.hungarian.data",
            10263,
            "d1ad108f785768cd3d7e82dc522e6f5a61eea93cccfb3a46ee8076f73fc3d796",
        ),
        Member(
            "processed.switzerland.data",
            4109,
            "834a405ccf5b66ab4056bb77794adc8df0b7125186454c0a1d002d33c6c3b314",
        ),
        Member(
            "processed.va.data",
            6737,
            "e7c93d8d0d2acdadfa4c5e8de768e2191e7f618b952e29623f1f0d5949ff6b8f",
        ),
    ),
    (
        "https://archive.ics.uci.edu/static/public/45/heart+disease.zip",
        "https://archive.ics.uci.edu/ml/machine-learning-databases/heart-disease/",
        "https://raw.githubusercontent.com/peter-biz/AI-Project-1/"
        "83b4c0623db63e2247ecd8e25d43c6a41e640f6d/heart%2Bdisease/",
    ),
    ("heart+disease.zip",),
    _parse,
)


def fetch_heart_disease(
    *,
    data_home=None,
    download_if_missing=True,
    n_retries=3,
    delay=1.0,
    as_frame=False,
    return_X_y_nodes=False,
):
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
        The folder where the data are looked for and kept: see :func:`get_data_home`. Put there
        by hand, `heart_disease.npz`, `heart+disease.zip` or the four
        `processed.*.data` is used.

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
    .. [1] A. Janosi, W. Steinbrunn, M. Pfisterer, R. Detrano, Heart Disease, UCI Machine Learning
       Repository, 1988. DOI 10.24432/C52P4X.

    Examples
    --------
    >>> from skfedmtl.datasets import fetch_heart_disease
    >>> X, y, nodes = fetch_heart_disease(return_X_y_nodes=True)  # doctest: +SKIP
    """
    check_output(as_frame, return_X_y_nodes)
    check_download(download_if_missing, n_retries, delay)
    arrays = fetch_arrays(SOURCE, data_home, download_if_missing, n_retries, delay)
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
