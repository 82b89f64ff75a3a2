"""What may be written in two ways is one fit, whatever the data."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

from estimators import KINDS, LOSSES, estimator_of, fit, make_rows
from oracles.strategies import problems
from skfedmtl import FMTLClassifier

kinds = st.sampled_from(KINDS)
TOL = 1e-10


@given(problems(), kinds, st.data())
def test_the_two_spellings_of_nodes(problem, kind, data):
    """Routed, a column of an array or of a frame: the same bits, in `fit` and in `predict`."""
    routed = fit(problem, kind)
    place = data.draw(st.integers(0, problem.X.shape[1]), label="place of the column")
    frame = pd.DataFrame(problem.X)
    frame.columns = [f"x{j}" for j in range(problem.X.shape[1])]
    frame.insert(place, "site", problem.nodes)
    tables = [(frame, "site"), (frame, place)]
    if problem.nodes.dtype.kind != "U":
        tables.append((np.insert(problem.X, place, problem.nodes, axis=1), place))
    for table, column in tables:
        model = estimator_of(problem, kind, node_column=column)
        model.fit(table, problem.y, sample_weight=problem.sample_weight)
        for name in ("coef_", "intercept_", "dual_coef_", "nodes_"):
            assert_array_equal(getattr(model, name), getattr(routed, name))
        assert_array_equal(model.predict(table), routed.predict(problem.X, nodes=problem.nodes))


@pytest.mark.parametrize("loss", LOSSES)
def test_a_row_of_weight_two_is_that_row_twice(loss):
    @given(problems(losses=(loss,)), kinds, st.data())
    def check(problem, kind, data):
        n = len(problem.y)
        times = np.array(data.draw(st.lists(st.integers(0, 3), min_size=n, max_size=n)))
        times[np.unique(problem.nodes, return_index=True)[1]] = 1  # every node keeps a row
        if problem.is_classification:
            times[np.unique(problem.y, return_index=True)[1]] = 1
        weighted = replace(problem, sample_weight=times.astype(float))
        index = np.repeat(np.arange(n), times)
        repeated = replace(
            problem,
            X=problem.X[index],
            y=problem.y[index],
            nodes=problem.nodes[index],
            sample_weight=None,
        )
        one, two = (fit(case, kind, tol=TOL, max_iter=3000) for case in (weighted, repeated))
        # the optimum lies between the bounds of either fit
        slack = 1e-9 * (1.0 + abs(one.objective_))
        assert one.dual_objective_ <= two.objective_ + slack
        assert two.dual_objective_ <= one.objective_ + slack
        assert_allclose(one.objective_, two.objective_, rtol=1e-8, atol=1e-12)

    check()


@given(problems(), kinds)
def test_the_names_of_classes_and_nodes(problem, kind):
    """Names that sort alike give the same bits; those of classes swapped, the other sign."""
    plain = fit(problem, kind)
    code = np.unique(problem.nodes, return_inverse=True)[1]
    labels = np.array([f"node {chr(ord('a') + l)}" for l in range(code.max() + 1)])
    if not problem.lists_labels:
        renamed = fit(replace(problem, nodes=labels[code]), kind)
        assert_array_equal(renamed.coef_, plain.coef_)
        assert_array_equal(renamed.nodes_, labels)
    if problem.is_classification and len(np.unique(problem.y)) == 2:
        names = np.array(["no", "yes"])
        model = estimator_of(problem, kind)
        y = names[(problem.y > 0).astype(int)]
        model.fit(problem.X, y, nodes=problem.nodes, sample_weight=problem.sample_weight)
        assert_array_equal(model.coef_, plain.coef_)
        swapped = estimator_of(problem, kind)
        y = names[(problem.y < 0).astype(int)]
        swapped.fit(problem.X, y, nodes=problem.nodes, sample_weight=problem.sample_weight)
        assert_array_equal(swapped.coef_, -plain.coef_)


def test_a_node_of_flipped_targets_does_nothing_to_others_it_learns_from():
    """A row of the weights may change its sign: it costs the learned relationship the same."""
    X, y, nodes = make_rows(FMTLClassifier, strings=True)
    own, (no, yes) = nodes == nodes[0], np.unique(y)
    flipped = np.where(own & (y == no), yes, np.where(own & (y == yes), no, y))
    options = {"lambda1": 0.1, "lambda2": 0.01, "tol": TOL}
    for change, alike in [({}, True), ({"relationship": "mean"}, False), ({"lambda0": 0.1}, False)]:
        model = FMTLClassifier(**options, **change)
        plain, other = (clone(model).fit(X, t, nodes=nodes) for t in (y, flipped))
        same = plain.nodes_ != nodes[0]
        moved = np.abs(other.coef_ - plain.coef_)[same].max() / np.abs(plain.coef_).max()
        assert (moved < 1e-6) == alike and (moved < 1e-2) == alike
