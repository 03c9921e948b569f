"""Decide on one photograph taken straight down: `python decide_on_image.py MODEL PICTURE HEIGHT_M HFOV_DEG`."""

import sys
from pathlib import Path

import cv2

import touchdown

model_file, picture, height_m, hfov_deg = sys.argv[1], Path(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4])
image_bgr = cv2.imread(str(picture), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
camera = touchdown.CameraModel.from_hfov(image_bgr.shape[1], image_bgr.shape[0], hfov_deg)
level = touchdown.Pose(0, (1.0, 0.0, 0.0, 0.0), (0.0, 0.0, -height_m), height_m)
with touchdown.load_model(model_file) as model:
    answer = model.decide(image_bgr, camera, level)
print(answer.text)
if answer.ahead_right_m is not None:
    print("{:.1f} m ahead and {:.1f} m right of the point below".format(*answer.ahead_right_m))
cv2.imwrite(f"{picture.stem}-site.jpg", answer.annotated())
