"""Modes of posteriors: priors of the coefficients beside the likelihood."""
