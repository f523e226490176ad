"""From sums over blocks to an estimate."""
