"""Numbers, letters and tables as text."""
