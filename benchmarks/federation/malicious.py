"""How much more a node may do that sends any messages than one that has any rows.

Four related nodes of made rows, one of which is an attacker's. It pulls along the singular vector
of the others' weights that is worst for them: with a node full of one row, and by
`ModelPoisoningNode`, whose loss of the same slope does not yield before it is zero. Either has the
length that is worst, of a grid up to that of the longest row of all: short rows lead weights far,
long ones lead them surely. Which way it pulls makes no difference to a learned relationship. Both
are accepted by the server; three draws of rows, means.

How to read the table
    tie          lambda1; lambda2 is 1e-2
    rounds       at most; the last ones end at a relative gap of 1e-6
    clean        mean loss of the others where the attacker's node is honest
    rows, lies   what the attack adds to it
    factor       of lies over rows
    cap          losses and penalty of the others under lies, over the losses of weights of zero:
                 at most 1 with a learned relationship, whatever a node says, but for the gap

    python benchmarks/federation/malicious.py [--output DIR]
"""

import sys
import warnings
from pathlib import Path

import numpy as np
from sklearn.exceptions import ConvergenceWarning

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from _common import make_parser, print_table, related_rows, write_csv

from skfedmtl._model import LOSSES
from skfedmtl.federation import (
    FederatedNode,
    FederatedServer,
    LocalTransport,
    ModelPoisoningNode,
)

N_NODES, N_ROWS, N_FEATURES, DRAWS = 4, 60, 5, 3
LAMBDA2 = 1e-2
LENGTHS = (0.02, 0.05, 0.1, 0.2, 0.4, 1.0)  #: of the attacker's row, of the longest one's
ROUNDS = (1, 3, 300)
COLUMNS = {
    "loss": "s",
    "tie": "g",
    "rounds": "d",
    "clean": ".4f",
    "rows": ".4f",
    "lies": ".4f",
    "factor": ".2f",
    "cap": ".3f",
}


class Draw:
    """Rows of all nodes; node 0 is the attacker's."""

    def __init__(self, loss, tie, seed):
        X, y, codes = related_rows(N_NODES, N_ROWS, N_FEATURES, regression=False, rank=2, seed=seed)
        self.X, self.y = X, np.where(y == y.max(), 1.0, -1.0)
        self.codes, self.loss, self.tie = codes, loss, tie
        self.value = LOSSES[loss]().value
        self.longest = float(np.linalg.norm(X, axis=1).max())

    def node(self, X, y):
        """An honest node, or one that has made up its rows."""
        return FederatedNode(X, y, loss=self.loss, fit_intercept=False, random_state=0)

    def fit(self, rounds, attacker=None):
        """A server with this node in the place of the first."""
        nodes = {l: self.node(self.X[own], self.y[own]) for l, own in self._parts()}
        if attacker is not None:
            nodes[0] = attacker
        server = FederatedServer(
            loss=self.loss,
            lambda1=self.tie,
            lambda2=LAMBDA2,
            tol=1e-6,
            max_iter=rounds,
            max_row_norm=self.longest,
            on_refused="error",
            random_state=0,
        )
        return server.fit(LocalTransport(nodes))

    def _parts(self):
        return [(l, self.codes == l) for l in range(N_NODES)]

    def others_loss(self, server):
        """Their mean loss."""
        losses = self.value(self.y, np.einsum("ij,ij->i", self.X, server.coef_[self.codes]))
        return float(np.mean([losses[own].mean() for _, own in self._parts()[1:]]))

    def share_of_cap(self, server):
        """Their losses and their penalty, over the losses of weights of zero."""
        W = server.coef_[1:]
        tie = self.tie * np.linalg.svd(W, compute_uv=False).sum() ** 2
        nothing = float(self.value(np.ones(1), np.zeros(1))[0])
        total = len(W) * self.others_loss(server) + tie + LAMBDA2 * np.square(W).sum()
        return total / (nothing * len(W))

    def measure(self, rounds):
        """Loss of the others: clean, what rows add, what lies add; and the share of the cap."""
        clean = self.fit(rounds)
        before = self.others_loss(clean)
        _, _, directions = np.linalg.svd(self.fit(max(ROUNDS)).coef_[1:])
        pulls = [self.longest * length * u for u in directions for length in LENGTHS]
        rows = [self.fit(rounds, self.row(pull)) for pull in pulls]
        lies = [self.fit(rounds, self.liar(pull)) for pull in pulls]
        worst = [max(map(self.others_loss, servers)) - before for servers in (rows, lies)]
        return before, *worst, max(map(self.share_of_cap, lies))

    def row(self, pull):
        """A node full of one row."""
        return self.node(np.tile(pull, (N_ROWS, 1)), np.ones(N_ROWS))

    def liar(self, pull):
        """A node of the steepest loss of such rows."""
        length = float(np.linalg.norm(pull))
        return ModelPoisoningNode(pull, loss=self.loss, row_norm=length, fit_intercept=False)


def main(argv=None):
    """Measure, print and write."""
    parser = make_parser(__doc__, Path(__file__).parent / "results")
    options = parser.parse_args(argv)
    warnings.simplefilter("ignore", ConvergenceWarning)
    lines = []
    for loss in ("hinge", "logistic"):
        for tie in (1e-2, 1e-1):
            for rounds in ROUNDS:
                found = [Draw(loss, tie, seed).measure(rounds) for seed in range(DRAWS)]
                clean, rows, lies, _ = np.mean(found, axis=0)
                cap = max(one[3] for one in found)
                line = {"loss": loss, "tie": tie, "rounds": rounds, "clean": clean, "rows": rows}
                lines.append({**line, "lies": lies, "factor": lies / rows, "cap": cap})
    print_table(COLUMNS, lines)
    write_csv(options.output / "malicious.csv", lines)


if __name__ == "__main__":
    main()
