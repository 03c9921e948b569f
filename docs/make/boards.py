"""docs/boards.md, the one table of boards: `python -m docs.make.boards`; `--check` names a difference instead.

Rows of this project's own machine are `benchmarks/results/boards-MODEL.json` (`benchmarks/boards.py`). Rows of other
boards are the files of `touchdown export bench --submit` in `benchmarks/results/boards/`; each is read with the bounds
of `export.submission`, and named as the source of its row. Rows of Rockchip's simulator are
`benchmarks/results/rknn-MODEL.json` (`benchmarks/rknn_gate.py`). What nobody has run stands there as that.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docs.make.markdown import escaped, table, write_or_compare
from export.hailo.make import COMPILERS
from export.limits import LIMITS, PAYS
from export.rknn.toolkit import TESTED
from export.submission import Submission, SubmittedModel, read_submission
from touchdown.models.registry import load_registry

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "benchmarks" / "results"
SUBMITTED = RESULTS / "boards"
PAGE = ROOT / "docs" / "boards.md"
RATIO = "times faster than ONNX Runtime"

NOT_RUN = {
    "Raspberry Pi 5": (
        "ncnn, ONNX Runtime",
        "no board at hand; emulated, both answer [as they do here](../benchmarks/results/board_answers.json)",
    ),
    "Jetson Orin": (
        "TensorRT",
        "no GPU at hand: graphs are parsed and built, [none has been executed](../benchmarks/results/tensorrt.md)",
    ),
    "RK3588, RK3576, RK3566 themselves": ("RKNN", "no board at hand, see [below](#rockchip-and-hailo)"),
    "Hailo-8, 8L, 10H, 15H": (
        "HailoRT, 8 bits",
        "neither compiler nor board at hand, see [below](#rockchip-and-hailo)",
    ),
}
"""Boards without a row of their own: runtime, and what is missing."""

HEAD = """\
# Boards

<!-- Written by `python -m docs.make.boards` from benchmarks/results. -->

One table: what runs each shipped model, whether it decides as the ONNX file does (`touchdown export verify`), and from
frame to mask **how many times as fast as ONNX Runtime in float32** on the same machine, in the same run. Above 1 is
faster. *Refused* is the gate's word, with the limit that was missed: such a form does not fly. Rows of a simulator have
no speed.
"""
OWN = """\
"This project's machine" is {machine}. Each of its figures is a median of {rounds} runs in turn on a 1280x720 frame, by
the CPU time of one thread, which other work hardly changes.

{models}"""
OTHERS = """\
Times of boards that were sent in are from frame to maps, medians, all models in turn. The raw file is the source of
its row.
"""
MEASURE = """\
## Measure yours

On the board, with nothing else running, and the cooler and supply that it flies with:

<!-- not run: takes the board for minutes -->
```bash
pip install "touchdown-landing[ncnn]" onnx
touchdown models get synthetic-unet
touchdown export bench synthetic-unet.onnx synthetic-unet.ncnn --frame 1280x720 \\
  --submit my-board.json --source "your name"
```

`synthetic-unet.ncnn` comes from `touchdown export ncnn` on a workstation. The file holds milliseconds by stage,
runtime, digests of the models, the board's name, and of each model alone for 20 s: speed in the beginning and in the
end, temperature, and power and throttling where the board tells them under `/sys`. A Jetson tells both, a Raspberry Pi
throttling alone. The file names neither you nor your machine, but for `--source`. Send it as a pull request into
`benchmarks/results/boards/`, or in an issue.
"""
NEURAL = """\
## Rockchip and Hailo

`touchdown export rknn` compiles a model for the NPU of an RK3588, RK3576 or RK3566, and the gate judges what Rockchip's
simulator computes. A simulator says nothing of speed, and we had no board: **none of these files has run on an NPU**.

| what | state |
| --- | --- |
| compiler and simulator, `rknn-toolkit2` {toolkit}, x86-64 | run: the rows above |
| file, digests, refusals of a wrong board or version | tested |
| runtime, by `rknn-toolkit-lite2` on the board | tested on a fake, which answers as the simulator does; not run |
| NPU, driver `librknnrt.so`, speed, heat | not run |
| Hailo: operators named, network, calibration set, model script, commands | tested; the commands have not run |
| Hailo: compiler and its emulator | not run: for registered developers alone |
| Hailo: file, digests, refusals of a wrong chip or version | tested; the header also on a file of the compiler |
| Hailo: runtime, by HailoRT's `hailo_platform` | tested on a fake that follows HailoRT's source; not run |
| Hailo: accelerator, gate, speed, heat | not run |

Rockchip publishes both packages on PyPI without a licence in their metadata or wheels. So they are in none of our
extras, and we ship nothing of them: read Rockchip's terms, and install them yourself. The compiler declares torch up to
2.4.0 and numpy below 2, so it gets an environment of its own:

<!-- not run: installs Rockchip's toolkit, 2 GB with torch -->
```bash
python3.11 -m venv rockchip
rockchip/bin/pip install rknn-toolkit2=={toolkit}
touchdown export rknn model.onnx --board rk3588 --python rockchip/bin/python --calibrate pictures
```

Our rows were made with torch 2.13 and numpy 1.26 in it: for ONNX the toolkit imports torch, and that is all.
`--precision int8` quantises by training pictures. Layers at both ends of the network stay in float16 until the gate
passes; if it never does, there is no file. Copy the `.rknn` file to the board, `pip install rknn-toolkit-lite2` there,
and let the gate judge the NPU itself (`pip install onnx`): `touchdown export verify model.onnx model.rk3588.rknn --data
pictures`. Until then `edge serve` warns that the gate saw a simulator.

Hailo's compiler is not on PyPI: registered developers get it. Write what it needs, run its commands, wrap the result:

<!-- not run: needs Hailo's Dataflow Compiler -->
```bash
touchdown export hailo model.onnx --chip hailo8l --calibrate pictures
sh model.hailo8l/compile.sh
touchdown export hailo model.onnx --chip hailo8l --hef model.hailo8l/network.hef
```

The first command names each node that the compiler refuses, or that no public record says it takes, with a remedy. Its
list and sources are in `export/hailo/operators.py`; the compiler's own list may not be passed on. Of our models each
node of `synthetic-unet` is on record for all four chips; `semantic-drone-fast` has seven group normalisations that are
not. Compiler {eight} is for Hailo-8 and 8L with HailoRT 4.23, {ten} for Hailo-10H and 15H with HailoRT 5.2. Copy
`model.hailo8l.hef` to the board, install HailoRT (`apt install hailo-all` on Raspberry Pi OS), and let the gate judge:
`touchdown export verify model.onnx model.hailo8l.hef --data pictures`, by pictures that `calibration.txt` does not
name.
"""


def own_rows(measured: dict[str, Any], names: list[str], digests: dict[str, str]) -> Iterator[list[str]]:
    """Yield a row for each runtime and precision of this project's machine."""
    ways = dict.fromkeys((form["runtime"], form["precision"]) for one in measured.values() for form in one["forms"])
    for runtime, precision in ways:
        cells = []
        for name in names:
            one = measured.get(name)
            forms = one["forms"] if one else []
            found = [form for form in forms if (form["runtime"], form["precision"]) == (runtime, precision)]
            older = "" if not one or one["sha256"] == digests[name] else " (an older file)"
            cells.append(own_cell(found[0], first=found[0] is forms[0]) + older if found else "not run")
        files = ", ".join(f"[{name}](../benchmarks/results/boards-{name}.json)" for name in measured)
        yield ["this project's machine", f"{runtime}, {precision}", *cells, "", files]


def simulated_rows(found: dict[str, Any], names: list[str], digests: dict[str, str]) -> Iterator[list[str]]:
    """Yield a row for each chip and precision that Rockchip's simulator ran."""
    ways = dict.fromkeys((form["board"], form["precision"]) for one in found.values() for form in one["forms"])
    words = {"fp16": "RKNN, float16", "int8": "RKNN, INT8"}
    files = ", ".join(f"[{name}](../benchmarks/results/rknn-{name}.json)" for name in found)
    for board, precision in ways:
        cells = []
        for name in names:
            forms = found[name]["forms"] if name in found else []
            form = next((one for one in forms if (one["board"], one["precision"]) == (board, precision)), None)
            older = "" if not forms or found[name]["sha256"] == digests[name] else " (an older file)"
            cells.append(simulated_cell(form) + older if form else "not run")
        yield [f"{board.upper()}, simulated", words[precision], *cells, "", files]


def simulated_cell(form: dict[str, Any]) -> str:
    """Return verdict of a form, and how much of its 8 bits stayed in float16."""
    kept = form["tensors in float16"]
    return verdict(form["passed"], form["failures"]) + (f", {kept} tensors in float16" if kept else "")


def own_cell(form: dict[str, Any], first: bool) -> str:
    """Return verdict and ratio of one form; the first one is what all are held against."""
    if first:
        return "the yardstick, 1"
    return f"{verdict(form['passed'], form['failures'])}, {form[RATIO]:.2f}"


def verdict(passed: bool | None, failures: list[str] | tuple[str, ...]) -> str:
    """Return the gate's word."""
    if passed is None:
        return "not verified"
    return "passed" if passed else f"**refused** ({escaped('; '.join(failures))})"


def submitted_rows(name: str, sent: Submission, names: list[str], digests: dict[str, str]) -> Iterator[list[str]]:
    """Yield a row for each runtime of a board that somebody measured."""
    source = f"[{name}](../benchmarks/results/boards/{name})" + (f", {escaped(sent.source)}" if sent.source else "")
    of_digest = {digest: model for model, digest in digests.items()}
    for runtime in dict.fromkeys(model.runtime for model in sent.models):
        cells = dict.fromkeys(names, "not run")
        extra: list[str] = []
        for model in (one for one in sent.models if one.runtime == runtime):
            shipped = of_digest.get(model.onnx_sha256)
            if shipped is not None:
                cells[shipped] = submitted_cell(sent, model)
            extra += heat(model)
        if set(cells.values()) != {"not run"}:
            yield [escaped(sent.board), escaped(runtime), *cells.values(), "; ".join(dict.fromkeys(extra)), source]


def submitted_cell(sent: Submission, model: SubmittedModel) -> str:
    """Return verdict, ratio and time of one model on a board."""
    word = "the yardstick" if model.is_yardstick else verdict(model.gate, model.failures)
    return f"{word}, {sent.ratio(model):.2f} ({model.ms['p50']:.0f} ms)"


def heat(model: SubmittedModel) -> Iterator[str]:
    """Yield what a board told of power, heat and throttling while a model ran without a pause."""
    sustained = model.sustained
    if sustained is None:
        return
    if words := sustained.power_words():
        yield escaped(words)
    if sustained.temperature_c is not None:
        yield f"{sustained.temperature_c} °C after {sustained.seconds:.0f} s"
    if sustained.throttled is None:
        yield "throttling not told"
    else:
        yield escaped(", ".join(sustained.throttled)) or "not throttled"


def missing_rows(boards: list[str], columns: int) -> Iterator[list[str]]:
    """Yield the boards that nobody has measured."""
    for board, (runtime, why) in NOT_RUN.items():
        if not any(board.split(",")[0].lower() in one.lower() for one in boards):
            yield [board, runtime, *["not run"] * columns, "", why]


def page() -> str:
    """Return the whole page."""
    entries = load_registry().models
    digests = {entry.name: entry.known().sha256 for entry in entries}
    names = list(digests)
    paths = {name: RESULTS / f"boards-{name}.json" for name in names}
    measured = {name: json.loads(path.read_text("utf-8")) for name, path in paths.items() if path.exists()}
    sent = {path.name: read_submission(path) for path in sorted(SUBMITTED.glob("*.json"))}
    simulated = {name: RESULTS / f"rknn-{name}.json" for name in names}
    found = {name: json.loads(path.read_text("utf-8")) for name, path in simulated.items() if path.exists()}
    rows = [*own_rows(measured, names, digests), *simulated_rows(found, names, digests)]
    for file, submission in sent.items():
        rows += submitted_rows(file, submission, names, digests)
    rows += missing_rows([submission.board for submission in sent.values()], len(names))
    heads = ["board", "runtime, precision", *names, "power and heat", "source"]
    parts = [HEAD, table(heads, rows), own_words(measured), *([OTHERS] if sent else []), MEASURE]
    return "\n".join([*parts, NEURAL.format(toolkit=TESTED, eight=COMPILERS["hailo8"], ten=COMPILERS["hailo10h"])])


def own_words(measured: dict[str, Any]) -> str:
    """Return what the rows of this project's machine were measured on."""
    machines = dict.fromkeys(f"{one['machine']['cpu']}, {one['machine']['cores']} cores" for one in measured.values())
    lines = [
        f"- `{name}`: {one['forms'][0]['median_ms']:.0f} ms in ONNX Runtime; "
        f"the gate saw {one['frames']} {one['pictures']}.\n"
        for name, one in measured.items()
    ]
    rounds = next(iter(measured.values()))["rounds"]
    lines += [f"- {words}\n" for name, one in measured.items() if (words := eight_bits(name, one["forms"]))]
    return OWN.format(machine=" or ".join(machines), rounds=rounds, models="".join(lines))


def eight_bits(name: str, forms: list[dict[str, Any]]) -> str:
    """Return whether a form in 8 bits pays, or what keeps the nearest one from it; empty where none was measured."""
    eights = [form for form in forms if form["precision"].startswith("INT8")]
    if not eights:
        return ""
    paying = [form for form in eights if form["passed"] and form[RATIO] >= PAYS]
    if paying:
        best = max(paying, key=lambda form: float(form[RATIO]))
        return f"`{name}` in 8 bits pays: {best['runtime']}, {best['precision']}, passes its gate at {best[RATIO]:.2f}."
    nearest = min(eights, key=lambda form: (len(form["failures"]), float(form["false_safe_flips"])))
    turned, limit = nearest["false_safe_flips"], LIMITS["quantised"].false_safe_flips
    return (
        f"`{name}` in 8 bits is not offered: that takes a passed gate and {PAYS:g} times. Nearest is "
        f"{nearest['runtime']}, {nearest['precision']}, at {nearest[RATIO]:.2f}: {turned:.2%} of pixels turn landable, "
        f"where {limit:.1%} may. It was calibrated on other pictures than those that judge."
    )


def main() -> int:
    """Write the page, or compare it."""
    return write_or_compare(PAGE, page())


if __name__ == "__main__":
    raise SystemExit(main())
