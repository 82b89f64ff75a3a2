"""The victim of an attack: an FMTL estimator, alone or behind scalers.

The scalers of a Pipeline are fitted on the clean rows and then frozen. So a row x reaches the
estimator as ``(x - shift) * scale``, once a scaler, and a gradient with respect to what the
estimator sees becomes one with respect to x by a product with the scales. Everything else of an
attack lives in the space of x: the feasible set, the steps, the injected rows as they are stored.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler

from skfedmtl._input import check_dense, with_article
from skfedmtl._tools.sklearn import last_step
from skfedmtl._typing import Array
from skfedmtl._victim import FederatedVictim

#: subclasses may transform otherwise, so only these types themselves
SCALERS = (StandardScaler, MinMaxScaler, MaxAbsScaler, RobustScaler)

_ALLOWED = (
    "StandardScaler, MinMaxScaler(clip=False), MaxAbsScaler(clip=False), RobustScaler, "
    "'passthrough' and None"
)


def check_victim(estimator: Any, owner: str) -> None:
    """Refuse a Pipeline that is more than scalers before an FMTL estimator.

    `owner` is what the message calls the poisoner.
    """
    if not isinstance(estimator, Pipeline):
        return
    if not isinstance(estimator.steps, list | tuple) or len(estimator.steps) == 0:
        raise ValueError(
            "`estimator` is a Pipeline without steps; its last step must be an FMTLClassifier or "
            "an FMTLRegressor."
        )
    for name, step in estimator.steps[:-1]:
        if _passes(step):
            continue
        if type(step) not in SCALERS:
            raise TypeError(
                f"`estimator`: step {name!r} of the Pipeline is {_kind(step)}; allowed before its "
                f"last step are {_ALLOWED}."
            )
        if getattr(step, "clip", False):
            raise ValueError(
                f"`estimator`: step {name!r} of the Pipeline is a {type(step).__name__} with "
                f"clip={step.clip!r}, which is no affine map; allowed before its last step are "
                f"{_ALLOWED}."
            )
    name, model = estimator.steps[-1]
    if not isinstance(model, FederatedVictim):
        raise TypeError(
            f"`estimator`: the last step {name!r} of the Pipeline is {_kind(model)}; it must be an "
            "FMTLClassifier or an FMTLRegressor."
        )
    if model.node_column is not None:
        raise ValueError(
            f"`estimator`: the last step {name!r} of the Pipeline has node_column="
            f"{model.node_column!r}, a column that the steps before it would scale; set "
            f"`node_column` of {owner} instead, which takes the column off before the Pipeline."
        )


class Victim:
    """What an attack asks of its victim.

    Parameters
    ----------
    estimator : FMTLClassifier, FMTLRegressor or Pipeline
        As `check_victim` lets pass. It is used and fitted in place, not cloned.

    Attributes
    ----------
    model : FMTLClassifier or FMTLRegressor
    scalers : list of scalers
        Those before `model`, in their order.
    in_pipeline : bool
        Whether the estimator is a Pipeline, be it one without scalers.
    """

    def __init__(self, estimator: Any) -> None:
        self.estimator = estimator
        self.in_pipeline = isinstance(estimator, Pipeline)
        self.model = last_step(estimator)

    @property
    def scalers(self) -> list[Any]:
        if not self.in_pipeline:
            return []
        return [step for _, step in self.estimator.steps[:-1] if not _passes(step)]

    def fit(self, X: Any, y: Any, nodes: Any, sample_weight: Any = None) -> Victim:
        """Fit the scalers, then the model.

        Parts are called one by one: a Pipeline hands `nodes` on only if metadata routing is on.
        The model gets the weights; a scaler gets them, as in a Pipeline, if it requests them.
        """
        X = check_dense(X)
        for scaler in self.scalers:
            own = {}
            if sample_weight is not None and _requests_weights(scaler):
                own["sample_weight"] = sample_weight
            # what the caller keeps is never overwritten
            X = scaler.set_params(copy=True).fit(X, **own).transform(X)
        self.model.fit(X, y, nodes=nodes, sample_weight=sample_weight)
        return self

    def fit_behind(
        self, clean: Victim, X: Any, y: Any, nodes: Any, sample_weight: Any = None
    ) -> Victim:
        """Fit the model behind copies of the fitted scalers of `clean`, with its scale of y."""
        self.model._hold_scale_of(clean.model)
        if self.in_pipeline:
            frozen = deepcopy(list(clean.estimator.steps[:-1]))
            self.estimator.set_params(steps=[*frozen, self.estimator.steps[-1]])
        self.model.fit(self.transform(X), y, nodes=nodes, sample_weight=sample_weight)
        return self

    def influence(self, targets: NDArray[np.int64]) -> Array:
        """Of every node on targets: what its covariances with them come to, over all classes."""
        parts = [part.node_covariance_factor_ for part in self.model._parts()]
        return np.asarray(sum(np.abs(F @ F[targets].T).sum(axis=1) for F in parts))

    def transform(self, X: Any) -> Any:
        """Rows of users, in their container, as the model sees them."""
        X = check_dense(X)
        for scaler in self.scalers:
            X = scaler.transform(X)
        return X

    def forward(self, X: Array) -> Array:
        """The same for an array, without validation."""
        for scaler in self.scalers:
            shift, scale = _affine(scaler)
            X = (X - shift) * scale
        return X

    def affine(self, n_features: int) -> tuple[Array, Array]:
        """(shift, scale): the model sees ``(X - shift) * scale``."""
        scale = self.pull_back(np.ones(n_features))
        return -self.forward(np.zeros((1, n_features)))[0] / scale, scale

    def pull_back(self, gradient: Array) -> Array:
        """From a gradient with respect to the model's rows to one with respect to the users'."""
        for scaler in self.scalers:
            gradient = gradient * _affine(scaler)[1]
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


def _affine(scaler: Any) -> tuple[Array | float, Array | float]:
    """(shift, scale) of a fitted scaler; it has set the scale of constant features itself."""
    if isinstance(scaler, StandardScaler):
        return _if(scaler.with_mean, scaler, "mean_"), 1.0 / _if(scaler.with_std, scaler, "scale_")
    if isinstance(scaler, RobustScaler):
        shift = _if(scaler.with_centering, scaler, "center_")
        return shift, 1.0 / _if(scaler.with_scaling, scaler, "scale_")
    if isinstance(scaler, MaxAbsScaler):
        return 0.0, 1.0 / _float64(scaler.scale_)
    scale = _float64(scaler.scale_)
    return -_float64(scaler.min_) / scale, scale


def _requests_weights(scaler: Any) -> bool:
    """Whether ``set_fit_request(sample_weight=True)`` was called."""
    requests = scaler.get_metadata_routing().fit.requests
    return requests.get("sample_weight") is True


def _if(used: bool, scaler: Any, name: str) -> Array | float:
    """An attribute, or the number that stands for its absence."""
    if used:
        return _float64(getattr(scaler, name))
    return 1.0 if name == "scale_" else 0.0


def _float64(values: Any) -> Array:
    return np.asarray(values, dtype=np.float64)


def _passes(step: Any) -> bool:
    return step is None or (isinstance(step, str) and step == "passthrough")


def _kind(step: Any) -> str:
    """What a message calls a step."""
    if step is None or isinstance(step, str | type):
        return repr(step)
    return with_article(type(step).__name__)
