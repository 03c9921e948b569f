"""A model's own words: description, manifest and proofs, operating point, confidence."""
