"""The command ``skfedmtl report``, and what `skfedmtl.report` needs of it.

Names are looked up when they are first asked for: a help text loads the options alone.
"""

from typing import TYPE_CHECKING

from skfedmtl._tools.lazy import finder

if TYPE_CHECKING:
    from skfedmtl._report.choices import ATTACKS, BOUNDS_OF, TASKS, wrong_with_share
    from skfedmtl._report.command import run_report
    from skfedmtl._report.experiment import Settings, Threat
    from skfedmtl._report.frames import read_frames
    from skfedmtl._report.made import Made, make
    from skfedmtl._report.options import parse
    from skfedmtl._report.own_poisoner import check_own_poisoner
    from skfedmtl._report.prepared import Asked, prepare

__all__ = [
    "ATTACKS",
    "BOUNDS_OF",
    "TASKS",
    "Asked",
    "Made",
    "Settings",
    "Threat",
    "check_own_poisoner",
    "make",
    "parse",
    "prepare",
    "read_frames",
    "run_report",
    "wrong_with_share",
]

_HOMES = {
    "ATTACKS": "choices",
    "BOUNDS_OF": "choices",
    "TASKS": "choices",
    "Asked": "prepared",
    "Made": "made",
    "Settings": "experiment",
    "Threat": "experiment",
    "check_own_poisoner": "own_poisoner",
    "make": "made",
    "parse": "options",
    "prepare": "prepared",
    "read_frames": "frames",
    "run_report": "command",
    "wrong_with_share": "choices",
}

__getattr__ = finder(__name__, _HOMES)
