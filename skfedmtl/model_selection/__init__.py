"""Splits that keep every node on both sides, and curves of what attacks do."""

from skfedmtl.model_selection._security_curve import security_curve
from skfedmtl.model_selection._split import NodeKFold, train_test_split_nodes

__all__ = ["NodeKFold", "security_curve", "train_test_split_nodes"]
