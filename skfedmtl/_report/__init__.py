"""The command ``skfedmtl report``."""

from skfedmtl._report.command import main

__all__ = [
    "main",
]
