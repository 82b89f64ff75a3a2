"""Attempts at an attack, from several starts, and the hard victims that judge them."""

from skfedmtl.attack._contest.attempts import records
from skfedmtl.attack._contest.case import Case
from skfedmtl.attack._contest.own_fit import in_own_fit
from skfedmtl.attack._contest.restart import craft
from skfedmtl.attack._contest.settings import Settings

__all__ = ["Case", "Settings", "craft", "in_own_fit", "records"]
