"""What rows and clusters do to a fit."""
