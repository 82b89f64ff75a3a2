"""What helps a fit that has ended by its number of rounds."""

from __future__ import annotations

__all__ = ["what_helps"]

#: of `lambda2`, below which MOCHA's rounds are many
_SMALL = 1e-3


def what_helps(
    solver: str, lambda2: float, *, limits: str = "max_iter, tol", scaling: str = "scale the"
) -> str:
    """What to change, with the likeliest remedy first; `limits` are those that end a fit."""
    if solver == "mocha" and lambda2 < _SMALL:
        return (
            f"Raise lambda2={lambda2:g}, as solver='mocha' takes the more rounds the smaller it "
            f"is, or use solver='splitting', which does not. Or raise {limits} or lambda1, or "
            f"{scaling} features."
        )
    return f"Raise {limits} or the lambdas, or {scaling} features."
