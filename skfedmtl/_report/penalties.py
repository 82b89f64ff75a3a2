"""Penalties for a table that nobody has chosen them for."""

import warnings
from itertools import product

import numpy as np

from skfedmtl._report.data import TableError
from skfedmtl._report.experiment import Settings, Split, make_victim, score_nodes
from skfedmtl.model_selection import NodeKFold

LAMBDA1S = (1.0, 1e-1, 1e-2, 1e-3)
LAMBDA2S = (1e-1, 1e-2, 1e-3)
N_FOLDS = 3


def choose_penalties(
    split: Split, settings: Settings, lambda1: float | None, lambda2: float | None
) -> tuple[float, float]:
    """The penalties with the least error in cross-validation of training rows.

    Parameters
    ----------
    split : Split
        Training and test rows, of which the latter are not looked at.
    settings : Settings
        The loss and the seed; its penalties are not looked at.
    lambda1, lambda2 : float or None
        What is given and stays; None is to be chosen.

    Returns
    -------
    lambda1, lambda2 : float
        Of equals the larger ones.
    """
    pairs = list(
        product(
            LAMBDA1S if lambda1 is None else (lambda1,),
            LAMBDA2S if lambda2 is None else (lambda2,),
        )
    )
    if len(pairs) == 1:
        return pairs[0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the fits of the report say the same
        try:
            folds = _folds(split)
            errors = [
                np.mean([_error(fold, settings._replace(lambda1=a, lambda2=b)) for fold in folds])
                for a, b in pairs
            ]
        except ValueError as error:
            raise TableError(
                f"lambda1 and lambda2 can't be chosen on so few rows; give them: {error}"
            ) from error
    return pairs[int(np.argmin(errors))]


def _folds(split: Split) -> list[Split]:
    cv = NodeKFold(N_FOLDS, shuffle=True, random_state=0)
    return [
        split._replace(
            X=split.X[train],
            y=split.y[train],
            nodes=split.nodes[train],
            X_test=split.X[test],
            y_test=split.y[test],
            nodes_test=split.nodes[test],
        )
        for train, test in cv.split(split.X, split.y, nodes=split.nodes)
    ]


def _error(fold: Split, settings: Settings) -> float:
    """The mean over nodes."""
    model = make_victim(fold, settings).set_params(tol=1e-3)
    model.fit(fold.X, fold.y, nodes=fold.nodes)
    return float(np.nanmean(next(iter(score_nodes(model, fold).values()))))
