"""The ground as one map: merge of a frame's probabilities, projection, evidence, height, scale and surface."""
