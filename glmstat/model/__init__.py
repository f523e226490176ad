"""One file a model: its words and its call to `fit_model`."""
