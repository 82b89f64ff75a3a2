"""Bounds that no attack exceeds."""
