"""Settings of certified damage, with victims to hold them to."""

from typing import NamedTuple

import numpy as np

from oracles.objective import row_weights
from skfedmtl.attack._bound import Setting


class Case(NamedTuple):
    """A setting, and how its victims are fitted."""

    setting: Setting
    counts: np.ndarray  #: of injected rows, a source
    estimator: object

    def damage(self, X, y, codes):
        """The targets' losses once these rows are injected."""
        rows, setting = self.setting.rows, self.setting
        nodes = np.concatenate([rows.codes, codes])
        labels = np.concatenate([rows.y, y])
        if not setting.model.loss.is_regression:
            labels = labels.astype(int)
        victim = self.estimator.fit(np.vstack([rows.X, X]), labels, nodes=nodes)
        f = np.einsum("ij,ij->i", rows.X, victim.coef_[rows.codes]) + victim.intercept_[rows.codes]
        share = row_weights(rows.codes, rows.weight, setting.model.relationship.n_nodes)
        of_targets = np.isin(rows.codes, setting.targets)
        return (share * of_targets) @ setting.model.loss.value(rows.y, f)
