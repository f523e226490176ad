"""Bias reduction: estimates that solve adjusted scores instead of the scores themselves."""
