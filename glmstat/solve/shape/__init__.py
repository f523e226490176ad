"""Shapes of families that are estimated with the coefficients: theta, p."""
