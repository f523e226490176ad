"""Score tests for what a fit may have missed of its variables; nothing is trained."""
