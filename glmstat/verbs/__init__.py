"""Verbs of a fit, bound as its methods: docstrings and arguments; what they do lies in `inference`."""
