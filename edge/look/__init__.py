"""`edge look`: the decision on photos, folders and videos.

`photo` and `video_telemetry` read facts, `sky` looks for a horizon, `view` decides what they mean, `looker` runs the
decision, `labels` judges sites by ground truth, `output` writes annotated pictures, records and the report.
"""
