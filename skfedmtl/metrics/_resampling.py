"""Losses of rows, the errors they make, and how far those are by chance."""

import numpy as np

_AT_ONCE = 1_000_000  #: rows drawn at a time, which bounds the memory


def row_losses(truth, predicted, classify):
    """Of every row; their mean, and for numbers its root, is the error."""
    return (truth != predicted).astype(float) if classify else np.square(truth - predicted)


def error_of(losses, classify):
    """The error of rows with these losses; NaN without any."""
    if not len(losses):
        return np.nan
    return float(losses.mean() if classify else np.sqrt(losses.mean()))


def resampled_errors(losses, n_resamples, classify, rng):
    """Mean errors of as many rows drawn with replacement.

    Parameters
    ----------
    losses : ndarray of shape (n_rows, n_splits)
        Of the same rows in several splits, NaN where a row is not judged in one.
    n_resamples : int
        Draws.
    classify : bool
        Whether the error is the mean loss, and not its root.
    rng : Generator
        Draws the rows.

    Returns
    -------
    errors : ndarray of shape (n_resamples,)
        Means over the splits in which a row was drawn that is judged; NaN if there is none.
    """
    size = max(_AT_ONCE // max(len(losses), 1), 1)
    sizes = [min(size, n_resamples - begin) for begin in range(0, n_resamples, size)]
    return np.concatenate([_resampled(losses, some, classify, rng) for some in sizes])


def _resampled(losses, n_resamples, classify, rng):
    n = len(losses)
    if not n:
        return np.full(n_resamples, np.nan)
    drawn = rng.integers(n, size=(n_resamples, n)) + n * np.arange(n_resamples)[:, None]
    times = np.bincount(drawn.ravel(), minlength=n_resamples * n).reshape(n_resamples, n)
    is_judged = ~np.isnan(losses)
    counts = times @ is_judged.astype(float)
    sums = times @ np.where(is_judged, losses, 0.0)
    means = np.divide(sums, counts, out=np.zeros_like(sums), where=counts > 0.0)
    errors = means if classify else np.sqrt(means)
    n_splits = np.count_nonzero(counts, axis=1)
    none = np.full(n_resamples, np.nan)
    return np.divide(errors.sum(axis=1), n_splits, out=none, where=n_splits > 0)
