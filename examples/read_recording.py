"""Read a flight's recording: `python read_recording.py FOLDER` prints when the decision changed, and why."""

import sys

import touchdown

recording = touchdown.read_recording(sys.argv[1])
print(f"model {recording.model}, {len(recording.files)} files")
before, count = "", 0
for decision in recording.decisions():
    now = "site" if decision.refusal is None else decision.refusal.reason.value
    if now != before:
        print(f"{decision.at_s:6.1f} s: {now}")
    before, count = now, count + 1
print(f"{count} decisions; decide them again with `touchdown edge replay {sys.argv[1]}`")
