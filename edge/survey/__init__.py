"""`edge survey`: landing sites of an area, from photographs, orthophotos or a recorded flight, as lists for others.

`photographs` places each picture on the globe and judges its ground, `merging` makes one list of all pictures,
`sources` reads orthophotos and recordings, `output` writes GeoJSON, KML and QGroundControl's plan.
"""
