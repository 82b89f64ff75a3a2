"""Hypothesis strategies: small federated problems with every awkward structure the model allows.

A draw is a handful of structural choices plus one seed; the numbers come from numpy. So a failing
example shrinks to few nodes, few rows and no special structure, and draws are cheap.
"""

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

from oracles.losses import LOSSES, RECORD_OF

LAMBDA1 = (0.1, 1e-3, 1.0, 0.0)
LAMBDA2 = (0.1, 1e-3, 1.0)


@dataclass(frozen=True, repr=False, eq=False)
class Problem:
    """One federated data set with its parameters; n rows of d features in m nodes.

    Attributes
    ----------
    X, y : (n, d) and (n,) float arrays; y is +-1 for a classification loss.
    nodes : (n,) array of labels, strings or integers; rows are shuffled.
    sample_weight : (n,) array or None.
    node_labels : list of all m labels in the order of W's rows; see `lists_labels`.
    lists_labels : bool. False: the labels are the sorted ones that occur, so the default of an
        estimator gives the same order. True: pass `node_labels`, since the order is another one or
        some listed node has no rows.
    lambda1, lambda2, loss, fit_intercept, kappa : the model's parameters.
    Omega : (m, m) symmetric positive definite precision matrix in the order of `node_labels`.
    """

    X: np.ndarray
    y: np.ndarray
    nodes: np.ndarray
    sample_weight: np.ndarray | None
    node_labels: list
    lists_labels: bool
    lambda1: float
    lambda2: float
    loss: str
    fit_intercept: bool
    kappa: float
    Omega: np.ndarray
    description: str = ""

    @property
    def m(self):
        """Number of nodes, those without rows included."""
        return len(self.node_labels)

    @property
    def codes(self):
        """(n,) position of each row's node in `node_labels`."""
        position = {label: code for code, label in enumerate(self.node_labels)}
        return np.array([position[label] for label in self.nodes.tolist()])

    @property
    def weight(self):
        """(n,) weights, ones where `sample_weight` is None."""
        return np.ones(len(self.y)) if self.sample_weight is None else self.sample_weight

    @property
    def is_classification(self):
        """Whether y holds classes."""
        return not RECORD_OF[self.loss].is_regression

    def __repr__(self):
        return f"Problem({self.description})"


def _labels(kind, m):
    """m distinct labels. "n2" sorts after "n10" as text, 10 after 2 as a number."""
    numbers = np.array([2, 10, 1, 33, 7, 100, 4, 21, 3, 12][:m])
    if kind == "int":
        return sorted(int(number) * (-1) ** int(number == 7) for number in numbers)
    return sorted(f"n{number}" for number in numbers)


def _features(rng, codes, m, d, zero_rows, duplicates):
    centres = rng.normal(size=(m, d))
    X = np.round(rng.normal(size=(len(codes), d)) + 0.5 * centres[codes], 3)
    if zero_rows:
        X[rng.random(len(codes)) < 0.25] = 0.0
    if duplicates and len(codes) > 1:
        for i in np.flatnonzero(rng.random(len(codes)) < 0.3):
            same = np.flatnonzero(codes == codes[i])
            X[i] = X[rng.choice(same)]
    return X


def _targets(rng, X, codes, m, loss, constant, one_class):
    """Node-wise linear targets that share a direction, with noise."""
    truth = rng.normal(size=X.shape[1]) + 0.5 * rng.normal(size=(m, X.shape[1]))
    signal = np.sum(X * truth[codes], axis=1) + 0.3 * rng.normal(size=len(codes))
    if RECORD_OF[loss].is_regression:
        return np.full(len(codes), 1.5) if constant else np.round(signal, 3)
    y = RECORD_OF[loss].targets(signal)
    if one_class:
        y[codes == codes[0]] = 1.0
    if np.all(y == y[0]):
        y[-1] = -y[0]
    return y


def _weights(rng, codes, kind):
    if kind == "none":
        return None
    weight = np.round(10.0 ** rng.uniform(-3, 3, size=len(codes)), 4)
    if kind == "zeros":
        weight[rng.random(len(codes)) < 0.2] = 0.0
        for node in np.unique(codes):
            mine = np.flatnonzero(codes == node)
            if not weight[mine].any():
                weight[mine[0]] = 1.0
    return weight


def _precision(rng, m):
    """A symmetric positive definite matrix of trace m, eigenvalues within a factor of about 30."""
    vectors = np.linalg.qr(rng.normal(size=(m, m)))[0]
    values = 10.0 ** rng.uniform(-1, 0.5, size=m)
    Omega = (vectors * (values * m / values.sum())) @ vectors.T
    return (Omega + Omega.T) / 2


@st.composite
def problems(
    draw,
    losses=LOSSES,
    min_nodes=2,
    max_nodes=6,
    max_rows=12,
    max_features=8,
    lambda1=LAMBDA1,
    lambda2=LAMBDA2,
    empty_nodes=True,
    weights=("none", "wide", "zeros"),
    oddities=True,
):
    """Problems of `min_nodes` to `max_nodes` nodes with 1 to `max_rows` rows each.

    Parameters
    ----------
    losses, lambda1, lambda2 : tuples to draw from.
    empty_nodes : whether a listed node may have no rows (at least one node always has some).
    weights : which kinds of `sample_weight` occur: "none", "wide" (1e-3 to 1e3), "zeros" (wide, and
        some rows count nothing, but no node with rows loses all its weight).
    oddities : whether zero rows, duplicate rows, constant targets, one-class nodes and listed
        orders other than the sorted one may occur.
    """
    loss = draw(st.sampled_from(losses))
    m = draw(st.integers(min_nodes, max_nodes))
    d = draw(st.integers(1, max_features))
    sizes = draw(st.lists(st.integers(1, max_rows), min_size=m, max_size=m))
    flag = st.booleans() if oddities else st.just(False)
    zero_rows, duplicates, special, reorder = (draw(flag) for _ in range(4))
    if empty_nodes and m > 1 and draw(st.sampled_from([False, False, False, True])):
        sizes[draw(st.integers(0, m - 1))] = 0
    if not RECORD_OF[loss].is_regression and sum(sizes) < 2:
        sizes[int(np.argmax(sizes))] = 2
    weighting = draw(st.sampled_from(weights))
    fit_intercept = draw(st.booleans())
    kappa = draw(st.sampled_from([1.0, 0.5, 3.0]))
    label_kind = draw(st.sampled_from(["str", "int"]))
    l1, l2 = draw(st.sampled_from(lambda1)), draw(st.sampled_from(lambda2))
    seed = draw(st.integers(0, 2**32 - 1))

    rng = np.random.default_rng(seed)
    labels = _labels(label_kind, m)
    if reorder:
        labels = [labels[i] for i in rng.permutation(m)]
    codes = rng.permutation(np.repeat(np.arange(m), sizes))
    X = _features(rng, codes, m, d, zero_rows, duplicates)
    y = _targets(rng, X, codes, m, loss, special, special)
    weight = _weights(rng, codes, weighting)
    Omega = _precision(rng, m)
    description = (
        f"{loss}, d={d}, sizes={sizes}, weights={weighting}, lambda1={l1}, lambda2={l2}, "
        f"fit_intercept={fit_intercept}, kappa={kappa}, labels={labels}, zero_rows={zero_rows}, "
        f"duplicates={duplicates}, special_y={special}, seed={seed}"
    )
    return Problem(
        X=X,
        y=y,
        nodes=np.array(labels)[codes],
        sample_weight=weight,
        node_labels=labels,
        lists_labels=reorder or 0 in sizes,
        lambda1=l1,
        lambda2=l2,
        loss=loss,
        fit_intercept=fit_intercept,
        kappa=kappa,
        Omega=Omega,
        description=description,
    )
