"""The black box: what the daemon saw, knew and did, in MCAP files that Foxglove opens.

`records` says what is written, `views` how it looks in Foxglove, `segment` writes one file, `ring` keeps the right
files, `recorder` takes from the daemon without ever making it wait. `recording` reads it back, `replay` decides again,
`mine` finds the frames worth labelling, `tlog` gives the MAVLink.
"""
