"""Safety case: what a reviewer of an operation needs, from a model's, a configuration's and the results' own data."""
