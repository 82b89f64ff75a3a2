"""Defences against data poisoning: rows and nodes that stand out, fits that leave rows out."""

from skfedmtl.defense._detector import PoisonDetector

__all__ = ["PoisonDetector"]
