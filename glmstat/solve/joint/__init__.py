"""Maximum likelihood in several linear predictors at once, for any likelihood of rows."""
