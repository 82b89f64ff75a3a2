"""The loss of an estimator: one of the package's by its name, or one that users bring."""

from __future__ import annotations

from typing import Any

from sklearn.base import is_classifier

from skfedmtl._model import LOSSES, Loss, OwnLoss


class LossMixin:
    """Of estimators with a parameter `loss`."""

    loss: Any

    def _declared_loss(self) -> Any:
        """What tells of the loss without its scale: a class of `LOSSES`, or one that is own."""
        return LOSSES[self.loss] if isinstance(self.loss, str) else OwnLoss(self.loss)

    def _make_loss(self) -> Loss:
        """The loss of a row, as the solver takes it."""
        made: Any = self._declared_loss()
        return made() if isinstance(self.loss, str) else made

    def _check_loss(self) -> bool:
        """Whether it is one of numbers; refuse one of users' that is of the other kind."""
        is_regression = bool(self._declared_loss().is_regression)
        if not isinstance(self.loss, str) and is_regression == is_classifier(self):
            kinds = "classes, -1 and +1", "numbers"
            raise ValueError(
                f"`loss` is of {kinds[is_regression]} (is_regression={is_regression}); "
                f"{type(self).__name__} takes one of {kinds[not is_regression]}."
            )
        return is_regression
