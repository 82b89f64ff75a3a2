"""The victim of an attack: an FMTL estimator, alone or behind steps that can be followed.

The steps of a Pipeline, scalers, imputers, encoders and transformers of columns, are fitted on the
clean rows and then frozen. So a row x reaches the estimator as ``(x[columns] - shift) * scale``,
once a step, and a gradient with respect to what the estimator sees becomes one with respect to x by
a product with the scales. Everything else of an attack lives in the space of x: the feasible set,
the steps, the injected rows as they are stored. Columns that an encoder reads stay there what they
are in a clean row.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.base import clone
from sklearn.pipeline import Pipeline

from skfedmtl._input import check_dense
from skfedmtl._tools.sklearn import Search, last_step
from skfedmtl._typing import Array
from skfedmtl._victim import FederatedVictim
from skfedmtl.attack._setting.affine import (
    affine_map,
    check_step,
    encodes,
    in_turn,
    kind_of,
    passes,
)
from skfedmtl.attack._setting.maps import AffineMap, Spelled
from skfedmtl.attack._setting.words import refuse_unread, telling_of_words, wordy_columns


def check_victim(estimator: Any, owner: str) -> None:
    """Refuse what is not an FMTL estimator, alone or behind steps that can be followed.

    `owner` is what the message calls the poisoner.
    """
    if not isinstance(estimator, Pipeline):
        _check_model(estimator, f"`estimator` is {kind_of(estimator)}")
        return
    if not isinstance(estimator.steps, list | tuple) or len(estimator.steps) == 0:
        raise ValueError(
            "`estimator` is a Pipeline without steps; its last step must be an FMTLClassifier or "
            "an FMTLRegressor."
        )
    for name, step in estimator.steps[:-1]:
        check_step(name, step)
    name, model = estimator.steps[-1]
    _check_model(model, f"`estimator`: the last step {name!r} of the Pipeline is {kind_of(model)}")
    if model.node_column is not None:
        raise ValueError(
            f"`estimator`: the last step {name!r} of the Pipeline has node_column="
            f"{model.node_column!r}, a column that the steps before it would change; set "
            f"`node_column` of {owner} instead, which takes the column off before the Pipeline."
        )


def _check_model(model: Any, what: str) -> None:
    if isinstance(model, FederatedVictim):
        return
    if isinstance(model, Search):
        raise TypeError(
            f"{what} that has chosen nothing; fit it to all rows before (with refit=True), or pass "
            "an FMTLClassifier or an FMTLRegressor."
        )
    raise TypeError(f"{what}; it must be an FMTLClassifier or an FMTLRegressor.")


class Victim:
    """What an attack asks of its victim.

    Parameters
    ----------
    estimator : FMTLClassifier, FMTLRegressor or Pipeline
        As `check_victim` lets pass. It is used and fitted in place, not cloned.

    Attributes
    ----------
    model : FMTLClassifier or FMTLRegressor
    steps : list of transformers
        Those before `model`, in their order.
    in_pipeline : bool
        Whether the estimator is a Pipeline, be it one without such steps.
    """

    def __init__(self, estimator: Any) -> None:
        self.estimator = estimator
        self.in_pipeline = isinstance(estimator, Pipeline)
        self.model = last_step(estimator)

    @property
    def steps(self) -> list[Any]:
        return [step for _, step in self._named_steps()]

    @property
    def reads_as_array(self) -> bool:
        """Whether its fit makes an array of rows first: that of a user's subclass may not."""
        owner: str = type(self.model).fit.__module__
        return not self.in_pipeline and owner.partition(".")[0] == "skfedmtl"

    @property
    def encodes(self) -> bool:
        """Whether a step reads columns as categories."""
        return any(encodes(step) for step in self.steps)

    def _named_steps(self) -> list[tuple[str, Any]]:
        if not self.in_pipeline:
            return []
        return [(name, step) for name, step in self.estimator.steps[:-1] if not passes(step)]

    @property
    def _maps(self) -> list[AffineMap]:
        """What the fitted steps do."""
        return [affine_map(name, step, step.n_features_in_) for name, step in self._named_steps()]

    def fit(self, X: Any, y: Any, nodes: Any, sample_weight: Any = None) -> Victim:
        """Fit the steps, then the model.

        Parts are called one by one: a Pipeline hands `nodes` on only if metadata routing is on.
        The model gets the weights; a step gets them, as in a Pipeline, if it requests them.
        """
        X = check_dense(X)
        wordy = wordy_columns(X) if self.encodes else []
        with telling_of_words(X, wordy):
            seen = self._fit_steps(X, sample_weight)
        if wordy:
            refuse_unread(X, wordy, self.affine(X.shape[1]))
        self.model.fit(_as_dense(seen), y, nodes=nodes, sample_weight=sample_weight)
        return self

    def _fit_steps(self, X: Any, sample_weight: Any) -> Any:
        for step in self.steps:
            own = {}
            if sample_weight is not None and _requests_weights(step):
                own["sample_weight"] = sample_weight
            X = _copying(step).fit(X, **own).transform(X)
        return X

    def fit_behind(
        self, clean: Victim, X: Any, y: Any, nodes: Any, sample_weight: Any = None
    ) -> Victim:
        """Fit the model behind copies of the fitted steps of `clean`, with its scale of y."""
        self.model._hold_scale_of(clean.model)
        if self.in_pipeline:
            frozen = deepcopy(list(clean.estimator.steps[:-1]))
            self.estimator.set_params(steps=[*frozen, self.estimator.steps[-1]])
        self.model.fit(self.transform(X), y, nodes=nodes, sample_weight=sample_weight)
        return self

    def influence(self, targets: NDArray[np.int64]) -> Array:
        """Of every node on targets: what its covariances with them come to, over all classes."""
        return np.asarray(sum(part._ties_with(targets) for part in self.model._parts()))

    def transform(self, X: Any) -> Any:
        """Rows of users, in their container, as the model sees them."""
        X = check_dense(X)
        for step in self.steps:
            X = step.transform(X)
        return _as_dense(X)

    def forward(self, X: Array) -> Array:
        """The same for an array without gaps, without validation."""
        for one in self._maps:
            X = one.apply(X)
        return X

    def complete(self, X: Any, rows: Array) -> Array:
        """The `rows`, which users keep as `X`, with what imputers put into their gaps.

        A column that the model does not see gets zeros. What no imputer fills stays a gap.
        """
        gaps = np.isnan(rows)
        if not self.in_pipeline or not gaps.any():
            return rows
        seen = self.affine(rows.shape[1])
        numbers = ~seen.tells
        filled = np.zeros_like(rows)
        told = np.asarray(self.transform(X), dtype=np.float64)[:, numbers]
        filled[:, seen.columns[numbers]] = told / seen.scale[numbers] + seen.shift[numbers]
        filled[:, seen.encoded] = seen.fill[seen.encoded]
        return np.where(gaps, filled, rows)

    def affine(self, n_features: int) -> Spelled:
        """What the model sees of so many columns of users."""
        return in_turn(n_features, self._named_steps()).spelled_out()

    def pull_back(self, gradient: Array) -> Array:
        """From a gradient with respect to the model's rows to one with respect to the users'."""
        for one in reversed(self._maps):
            gradient = one.pull_back(gradient)
        return gradient


def unfitted(estimator: Any, node_column: Any, tol: Any, seed: int) -> Victim:
    """A clone of the victim, solved to `tol`, that takes the nodes where the poisoner does.

    The seed is for a model without one: the poisoner's alone decides the bits of the result.
    Nor does it have callbacks, which could end its fit before that.
    """
    victim = Victim(clone(estimator))
    if hasattr(victim.model, "set_callbacks"):  # from scikit-learn 1.9 on
        victim.model.set_callbacks()
    victim.model.set_params(tol=tol)
    if not victim.in_pipeline:
        victim.model.set_params(node_column=node_column)
    if victim.model.random_state is None:
        victim.model.set_params(random_state=seed)
    return victim


def _as_dense(X: Any) -> Any:
    """What encoders may have made sparse; the numbers are the same."""
    is_sparse: bool = issparse(X)
    return X.toarray() if is_sparse else X


def _copying(step: Any) -> Any:
    """The step, so set that what the caller keeps is never overwritten."""
    names = [name for name in step.get_params() if name.split("__")[-1] == "copy"]
    return step.set_params(**dict.fromkeys(names, True))


def _requests_weights(step: Any) -> bool:
    """Whether ``set_fit_request(sample_weight=True)`` was called, of it or of one of its parts."""
    return "sample_weight" in step.get_metadata_routing().consumes("fit", ["sample_weight"])
