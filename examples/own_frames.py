"""Follow frames and poses of your own program, here drawn: a flight to the north, a pond ahead.

`python own_frames.py MODEL` with a model of the synthetic taxonomy, such as models/synthetic-unet.onnx.
"""

import sys

import numpy as np

import touchdown

HEIGHT_M, SPEED_M_S, PX_PER_M = 15.0, 1.0, 16.0
camera = touchdown.CameraModel(480, 360, PX_PER_M * HEIGHT_M, PX_PER_M * HEIGHT_M, 239.5, 179.5)
blades = np.random.default_rng(7).normal((60, 160, 90), 12, (300, 160, 3)).repeat(3, 0).repeat(3, 1)  # grass
blades[100:300] += (100, -70, -50)  # water
ground = blades.clip(0, 255).astype(np.uint8)


def pose_at(at_ns: int) -> touchdown.Pose:
    """Return the pose at a time, as a log or an autopilot would tell it."""
    return touchdown.Pose(at_ns, (1.0, 0.0, 0.0, 0.0), (at_ns * 1e-9 * SPEED_M_S, 0.0, -HEIGHT_M), HEIGHT_M)


with touchdown.load_model(sys.argv[1]) as model:
    rows = [540 - round(number * 0.1 * SPEED_M_S * PX_PER_M) for number in range(60)]
    pictures = [np.ascontiguousarray(ground[row : row + 360]) for row in rows]
    frames = [touchdown.Frame(picture, number, number * 100_000_000) for number, picture in enumerate(pictures)]
    for answer in model.follow(frames, camera, pose_at):
        print(f"frame {answer.frame.frame_id}: {answer.text}")
