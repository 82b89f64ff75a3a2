"""Tools that know nothing of this package: each file is a shelf of its own."""
