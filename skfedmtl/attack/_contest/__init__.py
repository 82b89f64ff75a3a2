"""Attempts at an attack, from several starts, and the hard victims that judge them."""

from skfedmtl.attack._contest.attempts import records
from skfedmtl.attack._contest.case import Case
from skfedmtl.attack._contest.restart import LEGS, LEGS_FROM_OUTSIDE, Leg, Settings, craft

__all__ = ["LEGS", "LEGS_FROM_OUTSIDE", "Case", "Leg", "Settings", "craft", "records"]
