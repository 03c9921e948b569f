"""Judge a model's sites by label maps: `python evaluate_model.py MODEL PICTURES LABELS HEIGHT_M HFOV_DEG`."""

import sys
from pathlib import Path

from edge.look.labels import LabelMaps
from edge.look.looker import Looker, LookOptions
from edge.look.view import Given
from edge.runtimes import RuntimeOptions
from landing.settings import DecisionSection
from touchdown.models.registry import spec_of

model, pictures, labels = map(Path, sys.argv[1:4])
options = LookOptions(
    model,
    RuntimeOptions(),
    DecisionSection(),
    given=Given(float(sys.argv[4]), float(sys.argv[5]), assume_nadir=True),
    labels=LabelMaps(labels, spec_of(model).taxonomy),
)
found = Looker(options, say=print, emit=lambda record: None).run([pictures])
print(f"{found.looked} pictures, {found.sites} sites, no site: {dict(found.reasons)}")
print(f"sites that hold a hazard by their labels: {found.sites_with_hazard} of {found.judged}")
