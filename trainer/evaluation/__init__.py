"""Judgement: how good a checkpoint is, how sure it may be, and from where on it may say "here".

Read in this order: `predictor` (picture to logits), `tally` (what is counted, in one pass), `calibration`
(temperature), `thresholds` (the operating point), `sites` (what the landing decision does with it), `evaluate` (all of
it for one checkpoint), `results` and `report` (for people).
"""
