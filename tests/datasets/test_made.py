"""Data drawn at random: sizes, relatedness, balance, and the seed as the only source of chance."""

import inspect

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from skfedmtl import FMTLClassifier, FMTLRegressor
from skfedmtl.datasets import (
    make_endad_like,
    make_federated_classification,
    make_federated_regression,
)

MAKERS = {"classification": make_federated_classification, "regression": make_federated_regression}
every_maker = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS.keys())
seeds = st.integers(0, 2**32 - 1)


@st.composite
def settings_of_all(draw):
    """Arguments that both functions take, with room for orthogonal vectors or without."""
    n_nodes = draw(st.integers(1, 8))
    n_features = draw(st.integers(1, 20))
    return {
        "n_nodes": n_nodes,
        "n_features": n_features,
        "rank": draw(st.integers(1, min(n_nodes, n_features))),
        "sizes": draw(st.lists(st.integers(1, 30), min_size=n_nodes, max_size=n_nodes)),
        "strength": draw(st.floats(0, 1)),
        "noise": draw(st.floats(0, 10)),
        "random_state": draw(seeds),
    }


def cosines(made):
    return made.coef @ made.coef.T


# -- both ---------------------------------------------------------------------------------


@every_maker
@given(settings=settings_of_all())
def test_shapes_sizes_and_dtypes(make, settings):
    made = make(**settings)
    m, d, n = settings["n_nodes"], settings["n_features"], sum(settings["sizes"])
    assert made.data.shape == (n, d) and made.data.dtype == np.float64
    assert made.target.shape == made.nodes.shape == (n,)
    assert made.target.dtype == (np.float64 if make is make_federated_regression else np.int64)
    assert made.nodes.dtype == np.int64
    assert np.isfinite(made.data).all() and np.isfinite(made.target).all()
    assert_array_equal(np.bincount(made.nodes), settings["sizes"])
    assert (np.diff(made.nodes) >= 0).all()
    assert made.feature_names == [f"feature_{j}" for j in range(d)]
    assert made.coef.shape == (m, d)
    assert made.frame is None and "Random data" in made.DESCR


@every_maker
@given(settings=settings_of_all())
def test_the_same_seed_gives_the_same_bits_and_leaves_no_trace(make, settings):
    np.random.seed(0)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    first, second = make(**settings), make(**settings)
    for name in ("data", "target", "nodes", "coef"):
        assert first[name].tobytes() == second[name].tobytes()
    assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002


@every_maker
def test_another_seed_gives_other_data(make):
    first, second = make(random_state=0), make(random_state=1)
    assert not np.isin(first.data, second.data).any()
    assert not np.array_equal(make().data[:5], make().data[:5])


@every_maker
def test_a_generator_goes_on(make):
    state = np.random.RandomState(0)
    first, second = make(random_state=state), make(random_state=state)
    assert not np.array_equal(first.data[:5], second.data[:5])
    assert_array_equal(first.data, make(random_state=np.random.RandomState(0)).data)


@every_maker
@given(settings=settings_of_all())
def test_the_cosine_within_a_group_is_the_strength(make, settings):
    settings["n_features"] = settings["n_nodes"] + settings["rank"] + settings["n_features"]
    group = np.arange(settings["n_nodes"]) % settings["rank"]
    expected = np.where(group[:, None] == group, settings["strength"], 0.0)
    np.fill_diagonal(expected, 1.0)
    assert_allclose(cosines(make(**settings)), expected, atol=1e-12)


@every_maker
@given(settings=settings_of_all())
def test_weights_have_length_one_and_strength_one_makes_them_equal(make, settings):
    made = make(**{**settings, "strength": 1})
    assert_allclose(np.linalg.norm(made.coef, axis=1), 1.0, rtol=1e-12)
    for node, coef in enumerate(made.coef):
        assert_array_equal(coef, made.coef[node % settings["rank"]])
    assert np.linalg.matrix_rank(made.coef) == settings["rank"]


@every_maker
def test_a_single_feature(make):
    """There the directions are signs, and opposite ones of equal strength cancelled to NaN."""
    made = make(20, sizes=1, n_features=1, random_state=0)
    assert_array_equal(np.abs(made.coef), 1.0)
    assert np.isfinite(made.target).all()


@every_maker
def test_strength_without_room_holds_in_the_mean(make):
    for strength in (0.0, 0.3, 0.9):
        made = make(400, sizes=1, n_features=30, strength=strength, random_state=0)
        between = cosines(made)[np.triu_indices(400, k=1)]
        assert between.mean() == pytest.approx(strength, abs=0.05)
        assert between.std() > 0.01


@every_maker
@given(low=st.integers(1, 20), more=st.integers(0, 20), n_nodes=st.integers(1, 50), seed=seeds)
def test_sizes_are_drawn_from_a_range(make, low, more, n_nodes, seed):
    made = make(n_nodes, sizes=(low, low + more), n_features=2, random_state=seed)
    counts = np.bincount(made.nodes)
    assert len(counts) == n_nodes
    assert low <= counts.min() and counts.max() <= low + more


@every_maker
def test_ranges_and_lists_of_two(make):
    assert_array_equal(np.bincount(make(2, sizes=[5, 9], random_state=0).nodes), [5, 9])
    assert_array_equal(np.bincount(make(2, sizes=np.array([9, 5])).nodes), [9, 5])
    assert_array_equal(np.bincount(make(3, sizes=7).nodes), [7, 7, 7])
    counts = np.bincount(make(200, sizes=(5, 9), random_state=0).nodes)
    assert set(counts) == {5, 6, 7, 8, 9}


@every_maker
def test_containers(make):
    pd = pytest.importorskip("pandas")
    arrays, frames = make(random_state=0), make(random_state=0, as_frame=True)
    assert frames.frame.columns.tolist() == [*arrays.feature_names, "node", "target"]
    assert isinstance(frames.data, pd.DataFrame) and isinstance(frames.target, pd.Series)
    assert_array_equal(frames.data, arrays.data)
    X, y, nodes = make(random_state=0, return_X_y_nodes=True)
    for one, other in ((X, arrays.data), (y, arrays.target), (nodes, arrays.nodes)):
        assert_array_equal(one, other)


WRONG = [
    ("n_nodes", 0, ValueError, "n_nodes must be a whole number of at least 1; got 0"),
    ("n_nodes", 2.0, TypeError, "n_nodes must be a whole number of at least 1; got 2.0"),
    ("n_nodes", True, TypeError, "n_nodes"),
    ("n_features", 0, ValueError, "n_features"),
    ("n_features", None, TypeError, "n_features"),
    ("rank", 0, ValueError, "rank must be a whole number from 1 to 10"),
    ("rank", 11, ValueError, r"rank must be a whole number from 1 to 10 \(n_nodes or n_features\)"),
    ("rank", 1.0, TypeError, "rank"),
    ("strength", -0.1, ValueError, "strength must be a finite number from 0 to 1; got -0.1"),
    ("strength", 1.1, ValueError, "strength"),
    ("strength", np.nan, ValueError, "strength"),
    ("strength", "high", TypeError, "strength"),
    ("strength", True, TypeError, "strength"),
    ("noise", -1, ValueError, "noise must be a finite number of at least 0; got -1"),
    ("noise", np.inf, ValueError, "noise"),
    ("noise", None, TypeError, "noise"),
    ("sizes", 0, ValueError, "sizes must be a whole number of at least 1; got 0"),
    ("sizes", True, TypeError, "sizes"),
    ("sizes", 2.5, TypeError, "sizes must be .* or 10 whole numbers, one a node; got 2.5"),
    ("sizes", None, TypeError, "sizes"),
    ("sizes", "many", TypeError, "sizes"),
    ("sizes", (1, 2, 3), ValueError, r"pair \(low, high\) if it is a tuple; got \(1, 2, 3\)"),
    ("sizes", (3, 2), ValueError, "low <= high"),
    ("sizes", (0, 2), ValueError, "sizes"),
    ("sizes", (1.0, 2.0), TypeError, "sizes"),
    ("sizes", [5, 5], ValueError, "one a node"),
    ("sizes", [0] * 10, ValueError, "one a node"),
    ("sizes", [[1], [2, 3]], TypeError, "one a node"),
    ("sizes", [1.5] * 10, TypeError, "one a node"),
    ("random_state", "seed", ValueError, "seed"),
    ("as_frame", 1, TypeError, "as_frame must be True or False; got 1"),
    ("return_X_y_nodes", None, TypeError, "return_X_y_nodes"),
]


@every_maker
@pytest.mark.parametrize(("name", "value", "error", "message"), WRONG)
def test_wrong_arguments(make, name, value, error, message):
    with pytest.raises(error, match=message):
        make(**{name: value})


@every_maker
def test_all_but_the_number_of_nodes_are_keywords(make):
    kinds = [p.kind for p in inspect.signature(make).parameters.values()]
    assert set(kinds[1:]) == {inspect.Parameter.KEYWORD_ONLY}


# -- regression ---------------------------------------------------------------------------


@given(settings=settings_of_all())
def test_targets_without_noise_are_products(settings):
    made = make_federated_regression(**{**settings, "noise": 0})
    assert_allclose(made.target, np.sum(made.data * made.coef[made.nodes], axis=1), atol=1e-12)


@given(settings=settings_of_all())
def test_noise_adds_to_the_targets_and_scales(settings):
    targets = [
        make_federated_regression(**{**settings, "noise": noise}).target for noise in (0, 1, 3)
    ]
    assert_allclose(targets[2] - targets[0], 3.0 * (targets[1] - targets[0]), atol=1e-12)


def test_noise_has_the_standard_deviation_asked_for():
    made = make_federated_regression(4, sizes=5000, noise=0.7, random_state=0)
    noise = made.target - np.sum(made.data * made.coef[made.nodes], axis=1)
    assert noise.std() == pytest.approx(0.7, rel=0.02)
    assert made.target.std() == pytest.approx(np.hypot(1, 0.7), rel=0.02)


def test_related_nodes_help_each_other():
    gains = []
    for strength in (0.0, 1.0):
        made = make_federated_regression(
            10, sizes=15, n_features=30, strength=strength, noise=0.3, random_state=0
        )
        errors = [
            np.linalg.norm(
                FMTLRegressor(lambda1=lambda1, lambda2=1e-3, fit_intercept=False)
                .fit(made.data, made.target, nodes=made.nodes)
                .coef_
                - made.coef
            )
            for lambda1 in (0.0, 1e-2)
        ]
        gains.append(errors[0] / errors[1])
    assert gains[1] > 2.0 > 1.3 > gains[0]


# -- classification -----------------------------------------------------------------------


@given(settings=settings_of_all(), share=st.floats(0, 1))
def test_the_balance_holds_exactly_in_every_node(settings, share):
    made = make_federated_classification(**settings, balance=share)
    for node, size in enumerate(settings["sizes"]):
        assert made.target[made.nodes == node].sum() == np.floor(share * size + 0.5)


def test_a_balance_of_each_node():
    made = make_federated_classification(3, sizes=[10, 20, 5], balance=[0.0, 0.25, 1])
    assert [int(made.target[made.nodes == node].sum()) for node in range(3)] == [0, 5, 5]


@given(settings=settings_of_all(), share=st.floats(0, 1))
def test_without_noise_the_true_planes_separate_the_classes(settings, share):
    made = make_federated_classification(**{**settings, "noise": 0}, balance=share)
    decision = np.sum(made.data * made.coef[made.nodes], axis=1) + made.intercept[made.nodes]
    assert_array_equal(made.target, decision > 0)


@pytest.mark.parametrize("noise", [0.1, 0.5, 2.0])
def test_noise_puts_rows_on_the_wrong_side(noise):
    made = make_federated_classification(4, sizes=5000, noise=noise, random_state=0)
    decision = np.sum(made.data * made.coef[made.nodes], axis=1) + made.intercept[made.nodes]
    wrong = np.mean(made.target != (decision > 0))
    assert wrong == pytest.approx(np.arctan(noise) / np.pi, abs=0.01)


@pytest.mark.parametrize(
    ("balance", "error"),
    [
        (-0.1, ValueError),
        (1.5, ValueError),
        (np.nan, ValueError),
        (True, TypeError),
        ("even", TypeError),
        (None, TypeError),
        ([0.5, 0.5], ValueError),
        ([1.5] * 10, ValueError),
        ([np.nan] * 10, ValueError),
        (["0.5"] * 10, TypeError),
        ([[0.5], [0.5, 0.5]], TypeError),
    ],
)
def test_wrong_balance(balance, error):
    with pytest.raises(error, match="balance must be a "):
        make_federated_classification(balance=balance)


# -- the stand-in of EndAD ----------------------------------------------------------------


@pytest.fixture(scope="module")
def endad_like():
    return make_endad_like(random_state=0)


def test_endad_like_has_the_published_shape(endad_like):
    assert endad_like.data.shape == (9769 + 9768, 128)
    assert np.bincount(endad_like.target).tolist() == [9768, 9769]
    sizes = np.bincount(endad_like.nodes)
    assert len(sizes) == 6 and sizes.max() > 4 * sizes.min()
    shares = [endad_like.target[endad_like.nodes == node].mean() for node in range(6)]
    assert 0.4 < min(shares) < max(shares) < 0.6
    assert endad_like.target_names.tolist() == ["healthy", "lesion"]
    assert "must not be given as results on" in endad_like.DESCR


def test_endad_like_nodes_are_hardly_related(endad_like):
    off_diagonal = cosines(endad_like)[np.triu_indices(6, k=1)]
    assert_allclose(off_diagonal, 0.1, atol=1e-12)


def test_endad_like_noise(endad_like):
    rows, nodes = endad_like.data, endad_like.nodes
    decision = np.sum(rows * endad_like.coef[nodes], axis=1) + endad_like.intercept[nodes]
    assert np.mean(endad_like.target != (decision > 0)) == pytest.approx(0.063, abs=0.005)


def test_endad_like_can_be_fitted(endad_like):
    first = endad_like.nodes >= 4
    X, y, nodes = (endad_like[name][first] for name in ("data", "target", "nodes"))
    model = FMTLClassifier(lambda2=1e-2, tol=1e-2, random_state=0).fit(X, y, nodes=nodes)
    assert model.score(X, y, nodes=nodes) > 0.9


def test_endad_like_containers_and_seed(endad_like):
    X, y, nodes = make_endad_like(random_state=0, return_X_y_nodes=True)
    assert X.tobytes() == endad_like.data.tobytes()
    assert_array_equal(y, endad_like.target)
    assert_array_equal(nodes, endad_like.nodes)
    pytest.importorskip("pandas")
    frame = make_endad_like(random_state=0, as_frame=True).frame
    assert frame.shape == (19537, 130) and frame.columns[-2:].tolist() == ["node", "lesion"]


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [("strength", 2, ValueError), ("noise", -1, ValueError), ("as_frame", 0, TypeError)],
)
def test_endad_like_wrong_arguments(name, value, error):
    with pytest.raises(error, match=f"{name} must be"):
        make_endad_like(**{name: value})
