"""Read a flight's recording: `python read_recording.py FOLDER` prints when the decision changed, and why."""

import sys
from pathlib import Path

from edge.blackbox.recording import Recording
from edge.blackbox.records import Topic, step_from
from landing.site import NoSite

recording = Recording(Path(sys.argv[1]))
print(f"model {recording.start.model_spec['name']}, {len(recording.files)} files")
before, decisions = "", 0
for entry in recording.entries(Topic.STEP):
    step = step_from(entry.data)
    chosen = step.decision.selection
    now = chosen.reason.value if isinstance(chosen, NoSite) else "site"
    if now != before:
        print(f"{(entry.at_ns - recording.start.started_ns) * 1e-9:6.1f} s: {now}")
    before, decisions = now, decisions + 1
print(f"{decisions} decisions; decide them again with `touchdown edge replay {sys.argv[1]}`")
