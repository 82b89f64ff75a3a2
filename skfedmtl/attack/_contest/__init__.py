"""Attempts at an attack, from several starts, and the hard victims that judge them."""

from skfedmtl.attack._contest.attempts import records
from skfedmtl.attack._contest.case import Case
from skfedmtl.attack._contest.restart import Settings, craft

__all__ = ["Case", "Settings", "craft", "records"]
