"""Kinds of covariance, one recipe each."""
