"""The numerical certificate of a fit."""
