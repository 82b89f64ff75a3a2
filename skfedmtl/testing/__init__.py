"""Whether what you have written keeps to what the rest of the package relies on."""

from skfedmtl.testing._losses import check_loss
from skfedmtl.testing._poisoners import check_poisoner
from skfedmtl.testing._relationships import check_relationship

__all__ = ["check_loss", "check_poisoner", "check_relationship"]
