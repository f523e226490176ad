"""Fits of multiply imputed data, combined."""
