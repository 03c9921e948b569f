"""Judge a model's sites by label maps: `python evaluate_model.py MODEL PICTURES LABELS HEIGHT_M HFOV_DEG CLASS...`.

LABELS holds grey PNG files of class numbers; CLASS names a class to land on. All pictures look straight down.
"""

import sys
from pathlib import Path

import cv2
import numpy as np

import touchdown

model_file, pictures, labels, height_m, hfov_deg = (*sys.argv[1:4], float(sys.argv[4]), float(sys.argv[5]))
level = touchdown.Pose(0, (1.0, 0.0, 0.0, 0.0), (0.0, 0.0, -height_m), height_m)
sites = wrong = 0
with touchdown.load_model(model_file) as model:
    landable = [model.classes.index(name) for name in sys.argv[6:]]
    for path in sorted(Path(pictures).glob("[!.]*")):
        image_bgr = cv2.imread(str(path), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
        camera = touchdown.CameraModel.from_hfov(image_bgr.shape[1], image_bgr.shape[0], hfov_deg)
        answer = model.decide(image_bgr, camera, level)
        print(f"{path.name}: {answer.text}")
        if answer.site is not None and answer.pixel is not None:
            disc = np.zeros(image_bgr.shape[:2], np.uint8)
            cv2.circle(disc, np.intp(answer.pixel).tolist(), int(answer.site.clearance_m * camera.fx / height_m), 1, -1)
            label = cv2.imread(str(Path(labels) / f"{path.stem}.png"), cv2.IMREAD_UNCHANGED)
            sites, wrong = sites + 1, wrong + bool(np.any(~np.isin(label[disc == 1], landable)))
print(f"{sites} sites; discs that hold other ground by their labels: {wrong}")
