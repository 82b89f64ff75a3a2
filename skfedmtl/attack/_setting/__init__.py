"""Who is attacked, by whom, with what they know and what they begin with."""

from skfedmtl.attack._setting.row_weights import injected_weights, node_shares, refuse_weightless
from skfedmtl.attack._setting.start import (
    CleanData,
    Evaluation,
    Start,
    as_targets,
    check_label_kind,
    check_limits,
    draw_start,
    make_space,
    read_evaluation,
    start_labels,
    target_ranges,
)
from skfedmtl.attack._setting.tables import (
    as_given,
    as_rows,
    in_frame,
    poisoned_data,
    put_node_column,
    take_rows,
)
from skfedmtl.attack._setting.threat import ATTACKS, draw_distinct_rows, draw_threat
from skfedmtl.attack._setting.victim import Victim, check_victim, unfitted

__all__ = [
    "ATTACKS",
    "CleanData",
    "Evaluation",
    "Start",
    "Victim",
    "as_given",
    "as_rows",
    "as_targets",
    "check_label_kind",
    "check_limits",
    "check_victim",
    "draw_distinct_rows",
    "draw_start",
    "draw_threat",
    "in_frame",
    "injected_weights",
    "make_space",
    "node_shares",
    "poisoned_data",
    "put_node_column",
    "read_evaluation",
    "refuse_weightless",
    "start_labels",
    "take_rows",
    "target_ranges",
    "unfitted",
]
