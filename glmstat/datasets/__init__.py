"""Small data sets that ship with glmstat, and larger ones drawn on demand, whose truth is known.

Each has a card: provenance, licence, units, numbers to expect.
"""

from glmstat.datasets.card import Card, Variable
from glmstat.datasets.generated import generate
from glmstat.datasets.shipped import describe, list, load

__all__ = ["Card", "Variable", "describe", "generate", "list", "load"]
