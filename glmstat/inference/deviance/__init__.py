"""Analysis of deviance, comparison and selection of models."""
