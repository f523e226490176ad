"""Inference for parameters of the family that were estimated with the coefficients."""
