"""Fits whose effects of many levels are absorbed."""
