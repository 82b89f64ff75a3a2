"""Who is attacked, by whom, with what they know and what they begin with."""

from skfedmtl.attack._setting.aim import CRITERIA, GOALS, UPPER_LOSSES, Aim, Judged
from skfedmtl.attack._setting.departures import warn_of_departures
from skfedmtl.attack._setting.measure import Measure, Verdict
from skfedmtl.attack._setting.parameters import Parameters
from skfedmtl.attack._setting.row_weights import injected_weights, node_shares
from skfedmtl.attack._setting.scenario import Injected, Scenario, read_scenario
from skfedmtl.attack._setting.start import (
    CleanData,
    Evaluation,
    Start,
    as_targets,
    chooses_labels,
    start_labels,
    target_ranges,
)
from skfedmtl.attack._setting.tables import as_given, in_frame, poisoned_data
from skfedmtl.attack._setting.threat import ATTACKS, Threat, draw_distinct_rows
from skfedmtl.attack._setting.upper_loss import UpperLoss, upper_loss
from skfedmtl.attack._setting.victim import Victim, check_victim
from skfedmtl.attack._setting.words import Words

__all__ = [
    "ATTACKS",
    "CRITERIA",
    "GOALS",
    "UPPER_LOSSES",
    "Aim",
    "CleanData",
    "Evaluation",
    "Injected",
    "Judged",
    "Measure",
    "Parameters",
    "Scenario",
    "Start",
    "Threat",
    "UpperLoss",
    "Verdict",
    "Victim",
    "Words",
    "as_given",
    "as_targets",
    "check_victim",
    "chooses_labels",
    "draw_distinct_rows",
    "in_frame",
    "injected_weights",
    "node_shares",
    "poisoned_data",
    "read_scenario",
    "start_labels",
    "target_ranges",
    "upper_loss",
    "warn_of_departures",
]
