"""Follow a video of a hover straight down: `python follow_video.py MODEL VIDEO HEIGHT_M HFOV_DEG`."""

import sys

import touchdown

model_file, video, height_m, hfov_deg = sys.argv[1], sys.argv[2], float(sys.argv[3]), float(sys.argv[4])
hover = touchdown.Pose(0, (1.0, 0.0, 0.0, 0.0), (0.0, 0.0, -height_m), height_m)
with touchdown.load_model(model_file) as model, touchdown.open_stream(video) as stream:
    camera = touchdown.CameraModel.from_hfov(stream.width_px, stream.height_px, hfov_deg)
    for answer in model.follow(stream, camera, hover):  # all frames build one map of the ground
        print(f"frame {answer.frame.frame_id}: {answer.text}")
