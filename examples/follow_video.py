"""Follow a video of a hover straight down: `python follow_video.py MODEL VIDEO HEIGHT_M HFOV_DEG`."""

import sys
from pathlib import Path

from edge.cameras import CameraRequest, EndOfStream, make_camera
from edge.look.photo import PhotoFacts
from edge.look.view import Given, view_of
from edge.pipeline import Pipeline
from edge.resolved import resolve_decision
from edge.runtimes import load_runtime
from landing.settings import DecisionSection
from landing.site import NoSite

model, video, height_m, hfov_deg = Path(sys.argv[1]), sys.argv[2], float(sys.argv[3]), float(sys.argv[4])
with load_runtime(model) as runtime, make_camera(CameraRequest(f"file://{video}", realtime=False)) as camera:
    size_px = (camera.info.width_px, camera.info.height_px)
    view = view_of(size_px, PhotoFacts(), Given(height_m, hfov_deg, assume_nadir=True))
    now_ns = 0  # the time of the newest frame is the time of the decision
    decider = resolve_decision(DecisionSection(), runtime.spec).decider(view.camera)
    pipeline = Pipeline(runtime, decider, view.camera, lambda: now_ns, lambda: now_ns)
    while True:  # all frames build one map of the ground
        try:
            frame = camera.grab(5.0)
        except EndOfStream:
            break
        now_ns = frame.captured_at_ns
        chosen = pipeline.step(frame, view.pose_at).decision.selection
        words = chosen.detail if isinstance(chosen, NoSite) else f"site, {chosen.clearance_m:.1f} m clear"
        print(f"frame {frame.frame_id}: {words}")
