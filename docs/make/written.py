"""Write the parts of the guide and of the first day that come from code, between their marks in the pages.

    python -m docs.make.written

A part stands between `<!-- written: NAME -->` and `<!-- end -->`, so that a page also reads well where nothing is
built. The doctor's output is that of the real command, against the stand-in autopilot and the tests' small PX4.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable
from pathlib import Path

from docs.make import motion, versions
from docs.make.card import lists as card_lists
from docs.make.markdown import table
from docs.make.results import RESULTS, figures
from edge.commanding import QUIET
from edge.control import GRAVE
from edge.pilot_reasons import PilotText
from edge.pilot_texts import AUTHORITY, LANDING, OTHERS, REASONS
from edge.runtimes.onnx_file import metadata_of, read_onnx
from landing.camera import CameraModel
from landing.command.authority_io import AuthorityState
from landing.ground.scale import GroundScale, metres_down
from landing.model.spec import ModelSpec

ROOT = Path(__file__).resolve().parents[2]
PICTURE_WH = (1280, 720)
"""Size of the camera's pictures in the tables, px."""

ANGLES_DEG = (60, 70, 80, 90)
HEIGHTS_M = (2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40, 50, 60)
MODELS = ("semantic-drone-fast", "synthetic-unet")
COLUMNS, INDENT = 92, "     "
"""Of what a command printed: width, and indent of a line's continuation, as wide as ``FAIL ``."""

MEASURED = re.compile(
    r"^(ok  |WARN|note|FAIL) (loss|round trip|load|rate of|PLND_LAG|pose to arrival|camera|test target)\b"
)
"""Lines of the doctor that it says once it has watched the link; most hold figures that another run gives otherwise."""

PAGES = ("hardware", "setup", "fly", "operate")
"""Folders of docs with such parts."""

MARK = re.compile(r"(<!-- written: ([\w-]+) -->\n)(.*?)(<!-- end -->)", re.S)


# --- Hardware: field of view against height ---


def spec_of(model: str) -> ModelSpec:
    """Description of a shipped model."""
    path = ROOT / "models" / f"{model}.onnx"
    return ModelSpec.from_metadata(metadata_of(read_onnx(path)), str(path))


def scale_of(spec: ModelSpec, hfov_deg: float) -> GroundScale:
    """Scale of the ground in a model's input, through a camera that looks straight down."""
    assert spec.ground_range is not None
    camera = CameraModel.from_hfov(*PICTURE_WH, hfov_deg)
    return GroundScale.of(spec.ground_range, (spec.input.width_px, spec.input.height_px), camera)


def field_of_view() -> str:
    """Ground across and ground of a pixel by height, with the range of the model for real ground."""
    spec = spec_of(MODELS[0])
    scales = {angle: scale_of(spec, angle) for angle in ANGLES_DEG}
    rows = []
    for height_m in HEIGHTS_M:
        cells = [f"{height_m} m"]
        for scale in scales.values():
            pixel_mm = scale.pixel_mm(height_m)
            across_m = pixel_mm * spec.input.width_px / 1000
            words = f"{across_m:.3g} m, {pixel_mm:.3g} mm"
            known = spec.ground_range
            assert known is not None
            if pixel_mm > known.coarsest_mm:
                words += " (too high)"
            elif pixel_mm >= known.finest_mm:
                words = f"**{words}**"
            cells.append(words)
        rows.append(cells)
    return table(["height above ground", *(f"{angle}° wide" for angle in ANGLES_DEG)], rows)


def model_heights() -> str:
    """Heights from which each shipped model knows the ground, by field of view."""
    rows = []
    for name in MODELS:
        spec = spec_of(name)
        heights = [scale_of(spec, angle).heights_m() for angle in ANGLES_DEG]
        size = f"{spec.input.width_px} x {spec.input.height_px} px"
        rows.append([f"`{name}`", size, *(f"{low:.1f} to {metres_down(high)} m" for low, high in heights)])
    return table(["model", "input", *(f"{angle}° wide" for angle in ANGLES_DEG)], rows)


# --- Set up: the doctor's output ---


def doctor_lines(*options: str, px4: bool = False, ready: bool = False) -> str:
    """Run the doctor against a fresh autopilot that is no real one; return what it printed."""
    from tests.bridge.fake_px4 import FakePx4
    from tests.bridge.peers import UdpOutgoingPeer
    from tests.bridge.stand_in import stand_in
    from tests.command import call

    if px4:
        with FakePx4(UdpOutgoingPeer()) as autopilot:
            autopilot.custom_mode = 3 << 16  # position control
            return call("bridge", "doctor", "--link", autopilot.peer.connection, *options).stdout
    fitted = {"PLND_ENABLED": 1, "PLND_TYPE": 1, "PLND_OPTIONS": 4, "RNGFND1_TYPE": 100}
    with stand_in(parameters=fitted if ready else {}) as (connection, _):
        return call("bridge", "doctor", "--link", connection, *options).stdout


DOCTOR: dict[str, Callable[..., str]] = {
    "doctor-ardupilot-new": lambda *more: doctor_lines(*more),
    "doctor-ardupilot-fix": lambda *more: doctor_lines(*(more or ("--listen", "0")), "--fix", "--reboot"),
    "doctor-ardupilot-ready": lambda *more: doctor_lines(*more, *(() if more else ("--test-target",)), ready=True),
    "doctor-px4": lambda *more: doctor_lines(*more, px4=True),
}
"""Runs of the doctor by name; without more options as in the page."""


def output(text: str) -> str:
    """Return a block of what a command printed, long lines folded as a terminal does, but between words."""
    lines = (_folded(line) for line in text.strip().splitlines())
    return f"<!-- output -->\n```text\n{chr(10).join(lines)}\n```\n"


def constant(block: str) -> list[str]:
    """Return the lines of such a block that are the same every time; of the last one, the counts are not."""
    text = block.partition("```text\n")[2].partition("```")[0].replace(f"\n{INDENT}", " ")
    lines = [line for line in text.strip().splitlines() if not MEASURED.match(line)]
    lines[-1] = re.sub(r"\d+ (errors|warnings|notes|in order)", r"\1", lines[-1])
    return [re.sub(r"after \d+ s", "after some s", line) for line in lines]


def _folded(line: str) -> str:
    return textwrap.fill(line, COLUMNS, subsequent_indent=INDENT, break_on_hyphens=False, break_long_words=False)


# --- Fly: texts on the ground station ---


def shown(text: PilotText) -> list[str]:
    """Return a pattern, its meaning and the next step as cells; trouble leads to its code."""
    words = re.sub(r"<[^<>]+>", "…", text.pattern).strip()
    code = text.code
    more = f" [{code.value}](../troubleshooting/errors.md#{code.value.lower()})" if code else ""
    return [f"`{words}`", text.meaning, (text.action or "–") + more]


def texts_landing() -> str:
    """Beginnings of the landing's texts."""
    rows = [
        [f"`{text.pattern}: …`", "warning" if state in GRAVE else "info", text.meaning, text.action or "–"]
        for state, text in LANDING.items()
    ]
    return table(["begins with", "level", "it means", "you do"], rows)


def texts_authority() -> str:
    """Beginnings of the authority's texts."""
    rows = []
    for state, text in AUTHORITY.items():
        level = "critical" if state is AuthorityState.ENDED else "info" if state in QUIET else "warning"
        rows.append([f"`{text.pattern}: …`", level, text.meaning, text.action or "–"])
    return table(["begins with", "level", "it means", "you do"], rows)


def texts_others() -> str:
    """Whole texts."""
    return table(["text", "it means", "you do"], [shown(text) for text in OTHERS])


def texts_reasons() -> str:
    """Rest of a text after its beginning, by subject."""
    parts = []
    for subject, texts in REASONS.items():
        parts.append(f"### {subject}\n\n" + table(["reason", "it means", "you do"], [shown(text) for text in texts]))
    return "\n".join(parts)


# --- Operate: a board's first day ---


def first_day() -> str:
    """Steps of a first day on an emulated board, as `touchdown deploy first-day` timed them."""
    data = figures("first_day_pi5.json")
    assert data["emulated"]
    rows = [
        [
            step["name"] + (f" ({step['said']})" if step["said"].startswith("exit status") else ""),
            f"{step['wall_s']:g} s",
            f"{step['cpu_s']:g} s" if step["cpu_s"] else "",
        ]
        for step in data["steps"]
    ]
    head = f"step, {data['processor']} emulated by {data['emulator']}, {data['model']}"
    return table([head, "by the clock", "of the processor"], rows)


# --- Operate: programs beside the daemon ---


def ros2_latency() -> str:
    """Time from a picture to its site through the ROS 2 node, beside a node that only answers."""
    data = figures("ros2_latency.json")
    rows = [
        [
            name,
            f"{way['picture_to_site_ms']['p50']:.1f}, {way['picture_to_site_ms']['p95']:.1f} ms",
            f"{way['bare_node_ms']['p50']:.1f}, {way['bare_node_ms']['p95']:.1f} ms",
            f"{way['more_than_bare_ms']['p50']:.1f}, **{way['more_than_bare_ms']['p95']:.1f} ms**",
            f"{way['lost']} and {way['lost_by_bare_node']} of {way['pictures']}",
        ]
        for name, way in data["ways"].items()
    ]
    head = ["Cyclone DDS", "picture to site: median, p95", "a bare node", "ours takes more", "lost by ours, bare"]
    return table(head, rows)


PARTS: dict[str, Callable[[], str]] = {
    "field-of-view": field_of_view,
    "model-heights": model_heights,
    "card": card_lists,
    "texts-landing": texts_landing,
    "texts-authority": texts_authority,
    "texts-others": texts_others,
    "texts-reasons": texts_reasons,
    "calibration-flown": motion.calibration,
    "mistakes-flown": motion.mistakes,
    "versions-known": versions.known,
    "versions-renamed": versions.renamed,
    "versions-traps": versions.traps,
    "versions-flown": versions.flown,
    "first-day-emulated": first_day,
    "ros2-latency": ros2_latency,
}
"""Parts that come out the same every time, by name."""


def rewritten(page: str, parts: dict[str, Callable[[], str]]) -> str:
    """Return a page with the named parts written anew; others stay, and so do figures of the link alone."""

    def write(found: re.Match[str]) -> str:
        if found[2] not in parts:
            return found[0]
        text = parts[found[2]]()
        same = found[2] in DOCTOR and "```text" in found[3] and constant(text) == constant(found[3])
        return found[0] if same else f"{found[1]}{text}{found[4]}"

    return MARK.sub(write, page)


def pages() -> list[Path]:
    """Pages that may hold such parts."""
    found = (path for folder in PAGES for path in (ROOT / "docs" / folder).glob("*.md"))
    return sorted([*found, RESULTS / "first-day.md"])


def main() -> None:
    """Write every part of every page."""
    said = {name: (lambda run=run: output(run())) for name, run in DOCTOR.items()}
    for path in pages():
        text = path.read_text("utf-8")
        if (new := rewritten(text, PARTS | said)) != text:
            path.write_text(new, "utf-8")
            print(path.relative_to(ROOT))


if __name__ == "__main__":
    main()
