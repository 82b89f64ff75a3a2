"""Where injected rows may lie: drawn problems, and nearest rows found without the package."""

from itertools import pairwise
from typing import NamedTuple

import cvxpy as cp
import numpy as np
from hypothesis import strategies as st
from scipy.optimize import nnls

from skfedmtl.attack._feasible.boxes import row_bounds
from skfedmtl.attack._feasible.feasible_set import FeasibleSet
from skfedmtl.attack._feasible.limits import Limits
from skfedmtl.attack._feasible.storage import Storage

DTYPES = (np.float64, np.float32)
KINDS = ("free", "range", "frozen", "whole", "whole range", "frozen whole")


class Drawn(NamedTuple):
    """Rows, and a set that is not empty: `inside` are rows of it."""

    X: np.ndarray  #: (n, d)
    inside: np.ndarray  #: (n, d)
    radius: np.ndarray  #: (n,)
    limits: Limits
    storage: Storage

    @property
    def bounds(self):
        return row_bounds(self.limits, self.storage, self.inside)

    @property
    def feasible(self):
        return FeasibleSet(self.radius, self.storage, self.bounds)


@st.composite
def feasible_problems(draw, dtypes=DTYPES, largest_move=1e4, tight=True):
    """Any combination of ranges, frozen features, whole numbers and groups, in balls.

    Balls may be so `tight` that what is left of them for some features is rounding.
    """
    n, sizes = draw(st.integers(1, 3)), draw(st.lists(st.integers(1, 4), max_size=2))
    kinds = draw(st.lists(st.sampled_from(KINDS), min_size=0 if sizes else 1, max_size=6))
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    dtype = draw(st.sampled_from(dtypes))
    order = rng.permutation(sum(sizes) + len(kinds))
    ends = np.cumsum([0, *sizes])
    groups = tuple(order[a:b].astype(np.intp) for a, b in pairwise(ends))
    single = order[ends[-1] :]
    d = len(order)
    inside = (rng.normal(size=(n, d)) * 10.0 ** rng.integers(-1, 2, size=d)).astype(dtype)
    inside = inside.astype(float)
    low, high = np.full(d, -np.inf), np.full(d, np.inf)
    frozen, whole = np.zeros(d, dtype=bool), np.zeros(d, dtype=bool)
    for j, kind in zip(single, kinds, strict=True):
        frozen[j], whole[j] = "frozen" in kind, "whole" in kind
        if whole[j]:
            inside[:, j] = np.rint(inside[:, j])
        if "range" in kind:
            margin = rng.choice([0.0, 0.3, 2.0, np.inf], size=2)
            low[j], high[j] = inside[:, j].min() - margin[0], inside[:, j].max() + margin[1]
    for group in groups:
        inside[:, group] = np.eye(len(group))[rng.integers(len(group), size=n)]
        # a member whose column is 0 in every row may be shut out, or kept there
        unused = group[~inside[:, group].any(axis=0)]
        high[unused] = rng.choice([0.0, 0.7, 1.0, np.inf], size=len(unused))
        frozen[unused] = rng.uniform(size=len(unused)) < 0.2
        inside[:, unused] = rng.choice([0.0, -0.0])
    storage = Storage(dtype)
    # norms in other orders of the terms may round up
    slack = 1.0 + (4.0 * np.finfo(dtype).eps if tight else 1e-3)
    radius = storage.norms(inside) * rng.choice([slack, 1.1, 3.0], size=n)
    radius = np.maximum(radius, 1e-6)
    move = 10.0 ** rng.uniform(-3.0, np.log10(largest_move), size=(n, 1))
    X = inside + move * rng.normal(size=(n, d))
    limits = Limits([str(j) for j in range(d)], low, high, frozen, whole, groups)
    return Drawn(X, inside, radius, limits, storage)


def nearest(x, radius, low, high, groups=()):
    """The point nearest to `x` within a ball, bounds, and a simplex for every group.

    Good to about 1e-5 of its norm: the solver's limit, not that of the test.
    """
    z = cp.Variable(len(x))
    constraints = [cp.norm(z, 2) <= radius]
    for bound, sign in ((low, -1.0), (high, 1.0)):
        finite = np.flatnonzero(np.isfinite(bound))
        if len(finite):
            constraints.append(sign * (z[finite] - bound[finite]) <= 0)
    constraints += [cp.sum(z[list(group)]) == 1 for group in groups]
    cp.Problem(cp.Minimize(cp.sum_squares(z - x)), constraints).solve(solver=cp.CLARABEL)
    return z.value


def projection_error(x, z, radius, low, high, groups=()):
    """A bound of the distance from the feasible `z` to the point nearest to `x`.

    If ``x - z - e`` is in the normal cone at z, then z is nearest to ``x - e``, and projections
    never move points apart: z is within ``||e||`` of the point nearest to x. The least such e
    follows from nonnegative least squares over the cone's generators.
    """
    unit = np.eye(len(x))
    # a bound between which and z rounding alone may lie is active
    near = 1e-12 * (1.0 + np.abs(z))
    cone = [-unit[j] for j in np.flatnonzero(z - low <= near)]
    cone += [unit[j] for j in np.flatnonzero(high - z <= near)]
    if np.linalg.norm(z) >= radius * (1.0 - 1e-12):
        cone.append(z)
    for group in groups:
        line = unit[list(group)].sum(axis=0)
        cone += [line, -line]
    if not cone:
        return np.linalg.norm(x - z)
    # columns of one length: the solver's own rounding stays small
    scale = np.linalg.norm(cone, axis=1)
    return nnls((np.array(cone)[scale > 0] / scale[scale > 0, None]).T, x - z)[1]


def limits_of(low, high, frozen=(), whole=(), groups=()):
    """Limits of features that are numbered from 0."""
    d = len(low)
    frozen, whole = (np.isin(np.arange(d), list(some)) for some in (frozen, whole))
    groups = tuple(np.array(group) for group in groups)
    low, high = np.asarray(low, dtype=float), np.asarray(high, dtype=float)
    return Limits([str(j) for j in range(d)], low, high, frozen, whole, groups)


def feasible_set(radius, low, high, clean=None, dtype=np.float64, **limits):
    """The set of as many rows as there are radii."""
    storage, radius = Storage(dtype), np.atleast_1d(np.asarray(radius, dtype=float))
    clean = np.zeros((len(radius), len(low))) if clean is None else np.asarray(clean, dtype=float)
    bounds = row_bounds(limits_of(low, high, **limits), storage, clean)
    return FeasibleSet(radius, storage, bounds)


def check_stored(stored, drawn):
    """Row by row, as a user would."""
    limits = drawn.limits
    for row, clean, radius in zip(stored, drawn.inside, drawn.radius, strict=True):
        assert np.linalg.norm(row) <= np.float64(radius)
        exact = row.astype(np.float64)
        assert ((limits.low <= exact) & (exact <= limits.high)).all()
        kept = clean.astype(stored.dtype)
        assert row[limits.frozen].tobytes() == kept[limits.frozen].tobytes()
        assert (row[limits.whole] == np.rint(row[limits.whole])).all()
        for group in limits.groups:
            assert sorted(row[group]) == [0.0] * (len(group) - 1) + [1.0]
