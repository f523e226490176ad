"""Plots: the only modules that import matplotlib."""
