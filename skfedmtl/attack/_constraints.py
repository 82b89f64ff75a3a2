"""What injected rows must hold to look like those of a table, found in the table."""

import warnings

import numpy as np
from sklearn.utils import check_array

from skfedmtl._input import (
    check_dense,
    check_nodes,
    column_position,
    from_polars,
    listing,
    read_features,
    refuse_lazy,
    split_node_column,
)
from skfedmtl.attack._setting import Words

__all__ = ["infer_constraints"]

_UNLIKELY = 5.0  #: rows with two 1 that chance would have brought, of which there is none


def infer_constraints(X, nodes=None, *, node_column=None):
    """Find what the rows of a table have in common, as limits of injected rows.

    Every feature is kept within the clean range of its node, columns of whole numbers stay whole,
    dummy columns of a category keep a single 1, and what never changes is frozen. Of columns of
    words or categories, which a OneHotEncoder of the victim reads, nothing else is said.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Clean rows. Missing values, NaN or None, are no evidence against anything: what is said of a
        column is said of the values that are there. A column with gaps is in no group.
    nodes : array-like of shape (n_samples,) or None, default=None
        The node of each row. With nodes a feature is frozen that is constant within every node,
        without them one that is constant.
    node_column : str, int or None, default=None
        Column of `X` that holds the nodes, if `nodes` is None. It is no feature.

    Returns
    -------
    limits : dict
        Keyword arguments of `PoisoningAttacker` and `RandomPoisoner`: `feature_range`, which is
        ``"clean"``, `frozen_features`, `integer_features` and `one_hot_groups`. Features are lists
        of names if `X` is a DataFrame whose columns have names, all different, and lists of
        positions in `X` otherwise. A group is two columns or more of zeros and ones that follow
        each other, frozen ones aside, with a single 1 in every row; the first that begin one are
        taken.

    Raises
    ------
    ValueError
        If `X` holds infinity or times, has no rows, or differs from `nodes` in length; if both
        `nodes` and `node_column` are given.
    TypeError
        If `X` is sparse.

    Warns
    -----
    UserWarning
        For columns of zeros and ones that seem to be a category but have no 1 in some rows, as
        where it is missing: they are no group, and injected rows may hold several of them, or
        shares.

    See Also
    --------
    skfedmtl.PoisoningAttacker : Takes the limits.

    Examples
    --------
    >>> import pandas as pd
    >>> from skfedmtl.attack import infer_constraints
    >>> people = pd.DataFrame({
    ...     "age": [31, 45, 62, 28],
    ...     "smoker": [0, 1, 0, 1],
    ...     "eyes_blue": [1, 0, 0, 0],
    ...     "eyes_brown": [0, 1, 0, 1],
    ...     "eyes_green": [0, 0, 1, 0],
    ...     "country": [7, 7, 7, 7],
    ...     "weight": [71.5, 80.2, 65.0, 77.9],
    ... })
    >>> limits = infer_constraints(people)
    >>> limits["feature_range"], limits["frozen_features"], limits["integer_features"]
    ('clean', ['country'], ['age', 'smoker'])
    >>> limits["one_hot_groups"]
    [['eyes_blue', 'eyes_brown', 'eyes_green']]
    """
    if nodes is not None and node_column is not None:
        raise ValueError("`nodes` and `node_column` were both given; allowed is one of the two.")
    refuse_lazy(X, "X")
    X = from_polars(check_dense(X))
    features, place = X, None
    if node_column is not None:
        features, nodes = split_node_column(X, node_column)
        place = column_position(X, node_column, hasattr(X, "iloc"))
    features = read_features(features, words=True)
    words = Words.held(features)
    numbers = np.asarray(features)
    if words.of:
        numbers = words.code(features)
        numbers[:, list(words.of)] += 2.0  # no zeros and ones
    rows = check_array(
        numbers,
        dtype=np.float64,
        input_name="X",
        ensure_all_finite="allow-nan",
    )
    names = [name for j, name in enumerate(_names(X, rows, place)) if j != place]
    codes = np.zeros(len(rows), dtype=np.int64)
    if nodes is not None:
        codes = np.unique(check_nodes(nodes, len(rows)), return_inverse=True)[1]
    frozen = _constant(rows, codes)
    groups = _groups(rows, np.flatnonzero(~frozen))
    _warn_of_open_groups(rows, np.flatnonzero(~frozen), groups, names)
    whole = (np.isnan(rows) | (rows == np.rint(rows))).all(axis=0) & ~frozen
    whole[[*words.of, *(j for group in groups for j in group)]] = False
    return {
        "feature_range": "clean",
        "frozen_features": [names[j] for j in np.flatnonzero(frozen)],
        "integer_features": [names[j] for j in np.flatnonzero(whole)],
        "one_hot_groups": [[names[j] for j in group] for group in groups],
    }


def _names(X, rows, place):
    """What the columns of `X` are called, the node column among them."""
    if hasattr(X, "iloc") and X.columns.is_unique:
        if all(isinstance(name, str) for name in X.columns):
            return list(X.columns)
    return range(rows.shape[1] + (place is not None))


def _constant(rows, codes):
    """The features that do not change within any node."""
    order = np.argsort(codes, kind="stable")
    begins = np.unique(codes[order], return_index=True)[1]
    low, high = (end.reduceat(rows[order], begins) for end in (np.fmin, np.fmax))
    return (np.isnan(low) | (low == high)).all(axis=0)


def _groups(rows, columns):
    """Runs of these columns in which every row has a single 1, from left to right."""
    binary = ((rows == 0.0) | (rows == 1.0)).all(axis=0)
    groups, begin = [], 0
    while begin < len(columns):
        group = _group_at(rows, columns[begin:], binary)
        groups += [group] if group else []
        begin += len(group) or 1
    return groups


def _group_at(rows, columns, binary):
    """The shortest group that begins with the first of these columns; empty if none does."""
    ones = np.zeros(len(rows))
    for number, column in enumerate(columns, start=1):
        ones += rows[:, column]
        if not binary[column] or (ones > 1.0).any():
            break
        if (ones == 1.0).all():
            return columns[:number].tolist()
    return []


def _warn_of_open_groups(rows, columns, groups, names):
    """Tell the runs of columns that would be groups if every row had a 1."""
    binary = ((rows == 0.0) | (rows == 1.0)).all(axis=0)
    grouped = {j for group in groups for j in group}
    run, ones = [], np.zeros(len(rows))
    for column in [*columns.tolist(), None]:
        fits = column is not None and binary[column] and column not in grouped
        if fits and (ones + rows[:, column] <= 1.0).all():
            run.append(column)
            ones += rows[:, column]
            continue
        if _is_open(rows[:, run]):
            told = listing(np.array([names[j] for j in run]))
            warnings.warn(
                f"columns {told} never hold two 1 in a row, and no 1 in "
                f"{np.count_nonzero(ones == 0.0)} of {len(rows)} rows: no one-hot group. If they "
                "are a category, give such rows a column of their own, as pandas.get_dummies does "
                "with dummy_na=True; else injected rows may hold several of them.",
                UserWarning,
                stacklevel=3,
            )
        run = [column] if fits else []
        ones = rows[:, column].copy() if fits else np.zeros(len(rows))


def _is_open(rows):
    """Whether two 1 in a row are missing where chance would have brought some."""
    shares = rows.mean(axis=0)
    pairs = 0.5 * (shares.sum() ** 2 - np.sum(shares**2))
    return len(rows) * pairs > _UNLIKELY
