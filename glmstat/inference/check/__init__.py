"""Checks of what least squares assumes: one module for each."""
