"""Evaluation of a checkpoint: accuracy, calibration, operating point, and the sites it would choose.

Order of reading: `predictor` (picture to logits), `pixel_counts` (counts of one pass), `calibration` (temperature),
`thresholds` (operating point), `sites` (the landing decision on it), `scoring` (all of it for one checkpoint),
`results` and `report` (output).
"""
