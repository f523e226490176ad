"""Likelihoods: rows in, log-likelihood, gradient and information out."""
