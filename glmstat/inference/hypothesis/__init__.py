"""Hypotheses in text and their tests."""
