"""Draws from the sets in which injected rows may lie: inside, and uniform."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from numpy.testing import assert_array_equal
from scipy.stats import chisquare, ks_2samp

from oracles.feasible import check_stored, feasible_problems, feasible_set
from skfedmtl.attack._feasible import sampling


@given(drawn=feasible_problems((np.float64,)))
@pytest.mark.parametrize("tries", [30, 0])
def test_samples_are_inside(tries, drawn):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sampling, "_TRIES", tries)
        X = drawn.feasible.sample(np.random.default_rng(0), drawn.X.shape[1])
    assert (np.linalg.norm(X, axis=1) <= drawn.radius * (1 + 1e-12)).all()
    drawn = drawn._replace(radius=drawn.radius * (1 + 1e-12))
    check_stored(X, drawn)


BOXES = {
    "corner": ([0.2, -1.0, -0.1], [1.0, 0.3, np.inf]),
    "slab": ([-np.inf, -0.05, -np.inf], [np.inf, 0.05, np.inf]),
    "inner": ([-0.5] * 3, [0.5] * 3),
    "loose": ([-2.0] * 3, [2.0] * 3),
}


@pytest.mark.parametrize("tries", [30, 0], ids=["proposals", "chain"])
@pytest.mark.parametrize("box", BOXES)
def test_samples_are_uniform(box, tries, monkeypatch):
    """As points of a cube around the ball that happen to be inside."""
    monkeypatch.setattr(sampling, "_TRIES", tries)
    (low, high), rng = BOXES[box], np.random.default_rng(0)
    X = feasible_set(np.ones(4000), low, high).sample(rng, 3)
    cube = rng.uniform(-1.0, 1.0, size=(200_000, 3))
    inside = (np.linalg.norm(cube, axis=1) <= 1) & (cube >= low).all(1) & (cube <= high).all(1)
    for direction in np.vstack([np.eye(3), rng.normal(size=(3, 3))]):
        assert ks_2samp(X @ direction, cube[inside] @ direction).pvalue > 1e-3


@pytest.mark.parametrize("tries", [30, 0], ids=["proposals", "chain"])
def test_samples_of_whole_numbers_and_groups_are_uniform(tries, monkeypatch):
    monkeypatch.setattr(sampling, "_TRIES", tries)
    low, high = [-np.inf, -1.0, 0.0, 0.0, -5.0], [np.inf, 9.0, 1.0, 1.0, 5.0]
    clean = np.zeros((4000, 5))
    clean[:, 4] = 1.5
    feasible = feasible_set(
        np.full(4000, 3.5), low, high, clean, frozen=[4], whole=[0, 1], groups=[[2, 3]]
    )
    X = feasible.sample(np.random.default_rng(0), 5)
    room = 3.5**2 - 1.5**2 - 1.0
    points = [
        (a, b, c)
        for a, b, c in itertools.product(range(-3, 4), range(-1, 4), range(2))
        if a * a + b * b <= room
    ]
    found, counts = np.unique(X[:, [0, 1, 3]], axis=0, return_counts=True)
    assert_array_equal(found, sorted(points))
    assert chisquare(counts).pvalue > 1e-3


@pytest.mark.parametrize("tries", [30, 0], ids=["proposals", "chain"])
def test_samples_of_many_features_reach_the_sphere(tries, monkeypatch):
    """In high dimension nearly all of the volume is there; the chain must have got that far."""
    monkeypatch.setattr(sampling, "_TRIES", tries)
    X = feasible_set(np.full(500, 2.0), [-2.0] * 60, [2.0] * 60).sample(
        np.random.default_rng(0), 60
    )
    volume = np.sort((np.linalg.norm(X, axis=1) / 2.0) ** 60)
    assert np.abs(volume - np.linspace(0, 1, 500)).max() < 0.08
    assert np.abs(np.mean(X**2, axis=0) / np.mean(X**2) - 1.0).max() < 0.25
