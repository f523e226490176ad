"""Profiles of the likelihood and the intervals they give."""
