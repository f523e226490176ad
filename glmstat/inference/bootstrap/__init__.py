"""The bootstrap: schemes, workers, intervals."""
