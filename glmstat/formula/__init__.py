"""Text to terms to design matrices."""
