"""Decide on one photograph taken straight down: `python decide_on_image.py MODEL PICTURE HEIGHT_M HFOV_DEG`."""

import sys
from pathlib import Path

import cv2

from edge.annotate import annotate
from edge.cameras.recordings import read_picture
from edge.look.photo import PhotoFacts
from edge.look.view import Given, view_of
from edge.pipeline import Pipeline
from edge.resolved import resolve_decision
from edge.runtimes import load_runtime
from landing.settings import DecisionSection
from landing.site import NoSite
from landing.types import Frame

model, picture, height_m, hfov_deg = Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4])
frame = Frame(read_picture(picture), 0, 0)
view = view_of((frame.width_px, frame.height_px), PhotoFacts(), Given(height_m, hfov_deg, assume_nadir=True))
with load_runtime(model) as runtime:
    flies = resolve_decision(DecisionSection(), runtime.spec)
    decider = flies.decider(view.camera, settings=flies.decision.single_look())
    step = Pipeline(runtime, decider, view.camera, lambda: 0, lambda: 0).step(frame, view.pose_at)
chosen = step.decision.selection
print(
    f"no site: {chosen.detail}" if isinstance(chosen, NoSite) else f"site, {chosen.clearance_m:.1f} m clear around it"
)
cv2.imwrite(f"{picture.stem}-site.jpg", annotate(step, view.camera, flies.decision))
