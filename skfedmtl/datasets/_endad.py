"""Endoscopy: a reader for those who hold the private EndAD features, and a stand-in."""

import numpy as np

from skfedmtl.datasets._base import check_output, make_result
from skfedmtl.datasets._draw import Draw
from skfedmtl.datasets._endad_file import TARGET, read_endad

__all__ = ["load_endad", "make_endad_like"]

TARGET_NAMES = ("healthy", "lesion")

# Rows and, among them, lesions of the six nodes of the stand-in: 19537 and 9769.
SIZES = (5210, 4388, 3657, 2901, 2104, 1277)
LESIONS = (2865, 1975, 1902, 1305, 1157, 565)
N_FEATURES = 128


def load_endad(path, *, as_frame=False, return_X_y_nodes=False):
    """Load your own copy of the EndAD features: endoscopy, one node a clinic (binary).

    The EndAD data of [1]_ are private: 128 deep features of images from 6 clinics, with and without
    a lesion. They come neither with this package nor from any address; this function reads the
    file of those who hold them. Numbers of rows, features and nodes are taken as they are.

    Parameters
    ----------
    path : str or path-like
        A file whose name ends in `.npz` or `.csv`.

        `.npz` holds the arrays `X` of shape (n_samples, n_features), finite numbers; `y` of shape
        (n_samples,), 1 for a lesion and 0 for none; `nodes` of shape (n_samples,), the clinic as
        an integer or a string; and, if there are names, `feature_names` of shape (n_features,).
        Other arrays are ignored. Nothing is unpickled: a file that needs it is refused.

        `.csv` has a header, commas between columns and UTF-8 text. The column `node` is the clinic,
        `lesion` is 1 or 0, and every other column is a feature, finite numbers. Clinics that are
        all whole numbers are read as integers. ``frame.to_csv(path, index=False)`` writes it.

    as_frame : bool, default=False
        If True, `data` is a pandas DataFrame, `target` and `nodes` are pandas Series, and `frame`
        holds them all. Needs pandas.

    return_X_y_nodes : bool, default=False
        If True, return `(data, target, nodes)` instead of a Bunch.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        Dictionary-like object, with these attributes.

        data : ndarray or DataFrame of shape (n_samples, n_features), dtype float64
            The features, without unit, in the order of the file.
        target : ndarray or Series of shape (n_samples,), dtype int64
            1 for a lesion, else 0.
        nodes : ndarray or Series of shape (n_samples,), dtype int64 or str
            The clinic.
        feature_names : list of n_features str
            The names in the file, else `feature_0` and so on.
        target_names : ndarray of 2 str
            `target_names[target]` is the class.
        frame : DataFrame of shape (n_samples, n_features + 2) or None
            The features, `node` and `lesion`. None unless `as_frame=True`.
        DESCR : str
            The full description.

    (X, y, nodes) : tuple
        `data`, `target` and `nodes` as above, if `return_X_y_nodes=True`.

    Raises
    ------
    OSError
        If the file cannot be opened.
    TypeError
        If `path` is no path, or `as_frame` or `return_X_y_nodes` is not a bool.
    ValueError
        If the file is not as described; the message says where.
    ImportError
        If `as_frame=True` and pandas is not installed.

    See Also
    --------
    make_endad_like : Random data of the same shape.

    References
    ----------
    .. [1] G. Sun, Y. Cong, J. Dong, Q. Wang, J. Liu, "Data Poisoning Attacks on Federated Machine
       Learning", 2020.

    Examples
    --------
    >>> from skfedmtl.datasets import load_endad
    >>> X, y, nodes = load_endad("endad.npz", return_X_y_nodes=True)  # doctest: +SKIP
    """
    check_output(as_frame, return_X_y_nodes)
    X, y, nodes, names = read_endad(path)
    return make_result(
        X,
        y,
        nodes,
        feature_names=names,
        target_column=TARGET,
        descr="endad.rst",
        as_frame=as_frame,
        return_X_y_nodes=return_X_y_nodes,
        extra={"target_names": np.array(TARGET_NAMES)},
    )


def make_endad_like(
    *, strength=0.1, noise=0.2, random_state=None, as_frame=False, return_X_y_nodes=False
):
    """Draw a data set of the shape of EndAD: six unbalanced nodes, little related (binary).

    The EndAD data are private (see :func:`load_endad`). These rows share their shape alone, and
    results on them say nothing about endoscopy. They are drawn as in
    :func:`make_federated_classification`.

    =================   ====================================
    Samples total       19537
    Features            128, real
    Nodes               6, 1277 to 5210 rows each
    Classes             2; 9769 rows of class 1, 9768 of 0
    =================   ====================================

    Parameters
    ----------
    strength : float, default=0.1
        Cosine between the directions of any two nodes, from 0 (unrelated) to 1 (equal).

    noise : float, default=0.2
        Standard deviation of the noise, at least 0; that of the products without noise is 1. The
        default makes 6 % of the rows lie on the wrong side of their node's true plane.

    random_state : int, RandomState instance or None, default=None
        Draws everything; the same int gives the same bits.

    as_frame : bool, default=False
        If True, `data` is a pandas DataFrame, `target` and `nodes` are pandas Series, and `frame`
        holds them all. Needs pandas.

    return_X_y_nodes : bool, default=False
        If True, return `(data, target, nodes)` instead of a Bunch.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        Dictionary-like object, with these attributes. Rows are sorted by node.

        data : ndarray or DataFrame of shape (19537, 128), dtype float64
            The rows, without unit.
        target : ndarray or Series of shape (19537,), dtype int64
            The class, 0 or 1.
        nodes : ndarray or Series of shape (19537,), dtype int64
            The node, 0 to 5.
        feature_names : list of 128 str
            `feature_0` to `feature_127`.
        target_names : ndarray of 2 str
            Those of :func:`load_endad`.
        coef : ndarray of shape (6, 128)
            The nodes' directions, of length 1.
        intercept : ndarray of shape (6,)
            Without noise, class 1 is where ``x . coef[l] + intercept[l] > 0``.
        frame : DataFrame of shape (19537, 130) or None
            The features, `node` and `lesion`. None unless `as_frame=True`.
        DESCR : str
            The full description.

    (X, y, nodes) : tuple
        `data`, `target` and `nodes` as above, if `return_X_y_nodes=True`.

    Raises
    ------
    TypeError
        If an argument is of another type than stated.
    ValueError
        If `strength` or `noise` is outside of its range.
    ImportError
        If `as_frame=True` and pandas is not installed.

    See Also
    --------
    load_endad : The data themselves, for those who hold them.

    Examples
    --------
    >>> import numpy as np
    >>> from skfedmtl.datasets import make_endad_like
    >>> X, y, nodes = make_endad_like(random_state=0, return_X_y_nodes=True)
    >>> X.shape, np.bincount(y).tolist(), np.bincount(nodes).tolist()
    ((19537, 128), [9768, 9769], [5210, 4388, 3657, 2901, 2104, 1277])
    """
    check_output(as_frame, return_X_y_nodes)
    draw = Draw(len(SIZES), list(SIZES), N_FEATURES, 1, strength, noise, random_state)
    y, intercept = draw.classes(np.array(LESIONS))
    return make_result(
        draw.X,
        y,
        draw.nodes,
        feature_names=draw.feature_names,
        target_column=TARGET,
        descr="endad_like.rst",
        as_frame=as_frame,
        return_X_y_nodes=return_X_y_nodes,
        extra={
            "target_names": np.array(TARGET_NAMES),
            "coef": draw.coef,
            "intercept": intercept,
        },
    )
