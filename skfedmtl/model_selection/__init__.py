"""Splits that keep every node on both sides, searches, and curves of what attacks do."""

from skfedmtl.model_selection._search_classifier import FMTLClassifierCV
from skfedmtl.model_selection._search_regressor import FMTLRegressorCV

# for other rooms, not for users
from skfedmtl.model_selection._security_curve import check_attacker as check_attacker
from skfedmtl.model_selection._security_curve import name_nodes as name_nodes
from skfedmtl.model_selection._security_curve import row_nodes as row_nodes
from skfedmtl.model_selection._security_curve import security_curve
from skfedmtl.model_selection._split import NodeKFold, train_test_split_nodes

__all__ = [
    "FMTLClassifierCV",
    "FMTLRegressorCV",
    "NodeKFold",
    "security_curve",
    "train_test_split_nodes",
]
