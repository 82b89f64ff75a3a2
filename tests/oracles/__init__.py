"""Independent oracles for the tests: numpy, scipy and cvxpy only, nothing of the package."""
