"""One pass of the compiled coordinate ascent beside a single reading of the same rows.

The floor of a pass is one inner product a row: X must be read once. What one reading costs on
this machine is measured by scipy's ``ddot``, in a single call, of all numbers of X with themselves:
X is the only array that is read, every number comes from memory once, and no other is in the way.
The kernel reads five more numbers a row (target, weight, squared norm, dual variable, place in the
order). BLAS is held to one thread.

A call from Python costs time of its own: that of a call without rows is taken off the kernel's
time, that of a ``ddot`` of one number off ``ddot``'s.

X is made small enough for the second-level cache, or far larger than any cache. The hinge's steps
are used, for which rows can be made to move or to rest:

    all     every row's dual variable is inside its box and changes: an inner product and an
            update of the weights
    none    every row rests at its bound, as most do near the optimum: the inner product alone

Both are checked, on every row. Each time is the median of ``--repeats`` measurements after a
warm-up, a measurement at least 20 ms of calls.

How to read the table
    size      "cache" or "memory"; MB are the bytes of X / 1e6
    order     "stored": rows one after the other. "drawn": permuted within nodes of 500 rows, as
              the solver visits them
    moves     rows that change, see above
    ns/row    of the kernel; GB/s the bytes of X over its time
    ddot ...  the same for ``ddot``
    ratio     time of the kernel over that of ``ddot``. 1 is the floor where no row moves; a row
              that does is read twice, the second time from the first cache, and so are the weights

    python benchmarks/kernel/epoch.py [--output DIR] [--repeats N] [--megabytes N]
"""

import sys
from pathlib import Path

import numpy as np
from scipy.linalg.blas import ddot
from threadpoolctl import threadpool_limits

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from _common import at_least_one, make_parser, print_table, write_csv
from _timing import median_seconds

from skfedmtl._kernels import _sdca

FEATURES = (9, 100, 561)
CACHE_BYTES = 2**18
NODE_ROWS = 500  #: among which the solver draws the order of visits
AT_LEAST = 0.02  #: seconds of a measurement
COLUMNS = {
    "features": "d",
    "size": "s",
    "MB": ".2f",
    "order": "s",
    "moves": "s",
    "ns/row": ".1f",
    "GB/s": ".1f",
    "ddot ns/row": ".1f",
    "ddot GB/s": ".1f",
    "ratio": ".2f",
}


class Pass:
    """One pass of the hinge kernel over the rows in `order`.

    Parameters
    ----------
    X : ndarray of shape (n, d)
    order : ndarray of intp
    moving : bool
        Whether every row moves. Then a change of the dual variable is about a millionth, so that
        rows stay within their box however many passes are made. It never ends where every row
        comes twice, with both labels: no weights please both.
    """

    def __init__(self, X, order, *, moving):
        n, d = X.shape
        self.X, self.order = X, order
        self.hinge = _sdca.Hinge()
        self.y = np.where(np.arange(n) < n // 2, 1.0, -1.0)
        self.weight = np.full(n, 1.0 / n)
        self.squared_norm = np.einsum("ij,ij->i", X, X)
        self.curvature = (1e6 if moving else 1e-6) * n / d
        self.alpha = 0.5 * self.y if moving else self.y.copy()
        self.w = np.zeros(d)

    def __call__(self):
        self.run(self.order)

    def idle(self):
        """A call without rows."""
        self.run(self.order[:0])

    def run(self, order):
        """Visit these rows once."""
        _sdca.visit(
            self.hinge,
            self.X,
            self.y,
            self.weight,
            self.squared_norm,
            order,
            self.curvature,
            1,
            self.alpha,
            self.w,
        )

    def moves(self):
        """Make a pass; "all" or "none" of the rows moved."""
        before = self.alpha.copy()
        self()
        moved = before != self.alpha
        inside = np.abs(self.alpha) < 1.0
        if moved.all() and inside.all():
            return "all"
        if not moved.any() and not self.w.any():
            return "none"
        raise AssertionError(f"{moved.sum()} of {len(moved)} rows moved")


class Reading:
    """``ddot`` of the numbers of X with themselves."""

    def __init__(self, X):
        self.flat = X.ravel()

    def __call__(self):
        ddot(self.flat, self.flat)

    def idle(self):
        """A call on one number."""
        ddot(self.flat, self.flat, 1)


def net_seconds(work, repeats):
    """Seconds of a call of `work` less those of its idle twin."""
    gross, _ = median_seconds(work, repeats, at_least=AT_LEAST)
    idle, _ = median_seconds(work.idle, repeats, at_least=AT_LEAST)
    return gross - idle


def orders(n):
    """Rows as stored, and permuted within nodes."""
    rng = np.random.default_rng(2)
    starts = range(0, n, NODE_ROWS)
    drawn = [start + rng.permutation(min(NODE_ROWS, n - start)) for start in starts]
    return {"stored": np.arange(n, dtype=np.intp), "drawn": np.concatenate(drawn).astype(np.intp)}


def measure(d, size, n_bytes, repeats):
    """The rows of the table for one X."""
    n = max(2, n_bytes // (8 * d))
    X = np.random.default_rng(0).standard_normal((n, d))
    X[n // 2 : 2 * (n // 2)] = X[: n // 2]
    reading = net_seconds(Reading(X), repeats)
    for order, rows in orders(n).items():
        for moving in (False, True):
            work = Pass(X, rows, moving=moving)
            moves = work.moves()
            seconds = net_seconds(work, repeats)
            assert work.moves() == moves == ("all" if moving else "none")
            yield {
                "features": d,
                "size": size,
                "rows": n,
                "MB": X.nbytes / 1e6,
                "order": order,
                "moves": moves,
                "ns/row": 1e9 * seconds / n,
                "GB/s": X.nbytes / seconds / 1e9,
                "ddot ns/row": 1e9 * reading / n,
                "ddot GB/s": X.nbytes / reading / 1e9,
                "ratio": seconds / reading,
            }


def main(argv=None):
    """Time, print and write."""
    parser = make_parser(__doc__, Path(__file__).with_name("results"))
    parser.add_argument(
        "--repeats", type=at_least_one, default=5, help="measurements a row (default: 5)"
    )
    parser.add_argument(
        "--megabytes", type=at_least_one, default=400, help="of the large X (default: 400)"
    )
    arguments = parser.parse_args(argv)
    table = []
    for d in FEATURES:
        for size, n_bytes in (("cache", CACHE_BYTES), ("memory", 10**6 * arguments.megabytes)):
            print(f"timing {d} features in {size} ...", file=sys.stderr, flush=True)
            with threadpool_limits(1):
                table += measure(d, size, n_bytes, arguments.repeats)
    print_table(COLUMNS, table)
    write_csv(arguments.output / "epoch.csv", table)


if __name__ == "__main__":
    main()
