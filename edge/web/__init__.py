"""Health, metrics and the live page of the daemon, over HTTP.

`feed` keeps the newest of what the daemon did, `preview_frame` turns a step into a picture and its geometry, `status`
puts the rest into words and numbers, `metrics` is for Prometheus, `access` says who may look, `server` serves it in a
thread of its own.
"""
