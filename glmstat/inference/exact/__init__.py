"""Inference from the exact distribution of the counts: no sample is too small for it."""
