"""The data set that lies inside the package: flights out of New York, by airline."""

import numpy as np

from skfedmtl.datasets._base import check_output, check_target, make_result, package_file

__all__ = ["load_flights"]

LATE_MINUTES = 15


def load_flights(target="delay", *, as_frame=False, return_X_y_nodes=False):
    """Load flights out of New York in 2013, one node an airline (regression or binary).

    The arrival delay of a flight is to be predicted from what is known when it departs: schedule,
    departure delay and weather. The 16 airlines have between 27 and 400 flights each. The data lie
    inside the package; nothing is downloaded.

    =================   ==================================
    Samples total       5921
    Features            14, real
    Nodes               16 airlines, 27 to 400 rows each
    Targets             minutes, -60 to 180; or 2 classes
    =================   ==================================

    Parameters
    ----------
    target : {"delay", "late"}, default="delay"
        `"delay"`: arrival delay in minutes, clipped to -60..180 (negative: early). `"late"`: 1 if
        the flight arrived more than 15 minutes late, else 0.

    as_frame : bool, default=False
        If True, `data` is a pandas DataFrame, `target` and `nodes` are pandas Series, and `frame`
        holds them all. Needs pandas.

    return_X_y_nodes : bool, default=False
        If True, return `(data, target, nodes)` instead of a Bunch.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        Dictionary-like object, with these attributes. Rows are sorted by airline, then by time.

        data : ndarray or DataFrame of shape (5921, 14), dtype float64
            The features, in the units that `DESCR` gives. The departure delay is clipped to
            -30..180 minutes.
        target : ndarray or Series of shape (5921,)
            float64 minutes if `target="delay"`, int64 0 or 1 if `target="late"`.
        nodes : ndarray or Series of shape (5921,), dtype str
            The airline's two-letter code.
        feature_names : list of 14 str
            The columns of `data`.
        target_names : ndarray of 2 str
            Names of the classes. Only if `target="late"`.
        frame : DataFrame of shape (5921, 16) or None
            The features, `node`, and `arr_delay` or `late`. None unless `as_frame=True`.
        DESCR : str
            The full description.

    (X, y, nodes) : tuple
        `data`, `target` and `nodes` as above, if `return_X_y_nodes=True`.

    Raises
    ------
    ValueError
        If `target` is neither of the two.
    TypeError
        If `as_frame` or `return_X_y_nodes` is not a bool.
    ImportError
        If `as_frame=True` and pandas is not installed.

    References
    ----------
    .. [1] Hadley Wickham, nycflights13: Flights that Departed NYC in 2013 (R package, CC0), from
       records of the US Bureau of Transportation Statistics and of US weather stations.

    Examples
    --------
    >>> from skfedmtl.datasets import load_flights
    >>> flights = load_flights()
    >>> flights.data.shape, flights.target.shape
    ((5921, 14), (5921,))
    >>> flights.feature_names[:4]
    ['month', 'day_of_week', 'sched_dep_minute', 'distance']
    >>> sorted(set(flights.nodes.tolist()))[:4]
    ['9E', 'AA', 'AS', 'B6']
    >>> X, y, nodes = load_flights("late", return_X_y_nodes=True)
    >>> round(float(y.mean()), 3)
    0.227
    """
    check_target(target, ("delay", "late"))
    check_output(as_frame, return_X_y_nodes)
    columns, nodes, values = _read_csv()
    y, target_column, extra = values[:, -1].copy(), columns[-1], {}
    if target == "late":
        # The file's delays are clipped, but far above this limit.
        y, target_column = (y > LATE_MINUTES).astype(np.int64), "late"
        extra = {"target_names": np.array(["on time", "late"])}
    return make_result(
        np.ascontiguousarray(values[:, :-1]),
        y,
        nodes,
        feature_names=columns[:-1],
        target_column=target_column,
        descr="flights.rst",
        as_frame=as_frame,
        return_X_y_nodes=return_X_y_nodes,
        extra=extra,
    )


def _read_csv() -> tuple[list[str], np.ndarray, np.ndarray]:
    """Return the names of the numeric columns, the carriers and the numbers (last: the target)."""
    text = package_file("data", "flights.csv").read_text(encoding="ascii")
    header, *lines = text.splitlines()
    columns = header.split(",")[1:]
    carriers = np.array([line.partition(",")[0] for line in lines])
    return columns, carriers, np.loadtxt(lines, delimiter=",", usecols=range(1, len(columns) + 1))
