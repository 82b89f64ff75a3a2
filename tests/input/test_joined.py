"""Two tables that are read as one."""

import numpy as np
from numpy.testing import assert_array_equal

from skfedmtl import FMTLClassifier, FMTLRegressor, RandomPoisoner
from skfedmtl._input import JoinedRows


def test_rows_and_means_have_the_bits_of_one_table():
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(300, 4)), rng.normal(size=(7, 4))
    table, joined = np.concatenate([first, second]), JoinedRows(first, second)
    assert joined.shape == table.shape and len(joined) == len(table)
    mask = rng.random(len(table)) < 0.3
    for key in (slice(290, 304), slice(0, 5), rng.permutation(len(table)), mask):
        assert_array_equal(joined[key], table[key])
    assert_array_equal(np.asarray(joined), table)
    assert_array_equal(joined.mean(axis=0), table.mean(axis=0))


def test_a_victim_of_joined_rows_has_the_bits_of_one_of_a_table():
    """Injected rows come last, whatever the order of the nodes, and weigh what clean ones do."""
    rng = np.random.default_rng(1)
    X, nodes = rng.normal(size=(60, 3)), rng.permutation(np.repeat(["a", "b", "c"], 20))
    weight = rng.uniform(0.5, 2.0, size=60)
    for victim, y in (
        (FMTLRegressor(random_state=0, tol=1e-5), X[:, 0]),
        (FMTLClassifier(random_state=0, tol=1e-5), np.where(X[:, 0] > 0.0, "yes", "no")),
        (FMTLClassifier(random_state=0, tol=1e-5), np.digitize(X[:, 0], [-0.5, 0.5])),
    ):
        for given in (None, weight):
            poisoner = RandomPoisoner(victim, random_state=0)
            data = poisoner.poison(X, y, nodes=nodes, sample_weight=given)
            same = victim.fit(data.X, data.y, nodes=data.nodes, sample_weight=data.sample_weight)
            assert_array_equal(poisoner.estimator_.coef_, same.coef_)
            assert_array_equal(poisoner.estimator_.dual_coef_, same.dual_coef_)
