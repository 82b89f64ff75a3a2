"""The command ``skfedmtl report``, and what `skfedmtl.report` needs of it."""

from skfedmtl._report.command import main
from skfedmtl._report.experiment import ATTACKS, Settings, Threat
from skfedmtl._report.frames import read_frames
from skfedmtl._report.made import Made, make
from skfedmtl._report.prepare import TASKS, Asked, prepare

__all__ = [
    "ATTACKS",
    "TASKS",
    "Asked",
    "Made",
    "Settings",
    "Threat",
    "main",
    "make",
    "prepare",
    "read_frames",
]
