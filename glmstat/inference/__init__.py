"""Verbs of inference, written once for every model."""
