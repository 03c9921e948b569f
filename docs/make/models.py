"""Write the generated parts of the model zoo: `python -m docs.make.models`, after a model came, went or changed.

A model is one entry in `touchdown/models/registry.json`, its file in `models/`, and a card. This reads the file: it
fills in the entry's facts, writes the head and the table of its card, and `docs/models.md`. Text of a card below its
table is by hand and stays. A card that is not there yet is begun. `--check` writes nothing and names what would change.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from landing.ground.scale import metres_down
from landing.model.spec import ModelSpec
from touchdown.models.registry import (
    CARDS,
    LENS_DEG,
    REGISTRY,
    FileFacts,
    Registry,
    ShippedModel,
    load_registry,
    spec_of,
)

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "models.md"
END = "<!-- end of what is read from the file -->"
METRICS = {
    "miou": ("mean_iou", "mean IoU"),
    "person_recall": ("recall", "people found (pixels)"),
    "hazard_recall": ("recall", "hazards found (pixels)"),
    "false_safe_rate": ("false_safe_rate", "pixels not landable called landable"),
    "site_false_safe": ("site_false_safe", "chosen sites that hold a hazard"),
    "site_abstain": ("site_abstain", "no site although there was room"),
}
"""Hugging Face's type and our words for each metric that may be shown, by its name after `val_` or `test_`."""


def written() -> dict[Path, str]:
    """Return every generated file as it should be."""
    registry = load_registry()
    entries = [entry.model_copy(update={"facts": FileFacts.of(file_of(entry))}) for entry in registry.models]
    registry = registry.model_copy(update={"models": tuple(entries)})
    files = {REGISTRY: json.dumps(registry.model_dump(mode="json", exclude_none=True), indent=1) + "\n"}
    cards = {entry.name: card(entry, spec_of(file_of(entry))) for entry in entries}
    files.update({CARDS / f"{name}.md": text for name, text in cards.items()})
    files[PAGE] = page(registry, cards)
    return files


def file_of(entry: ShippedModel) -> Path:
    """Return the path of a model's file."""
    return ROOT / "models" / entry.file


def card(entry: ShippedModel, spec: ModelSpec) -> str:
    """Return a card: Hugging Face's metadata, what the file says, and the text by hand."""
    path = CARDS / f"{entry.name}.md"
    by_hand = f"\n## Notes\n\n{entry.use}.\n"
    if path.exists():
        by_hand = path.read_text("utf-8").partition(END)[2]
    head = yaml.safe_dump(metadata(entry, spec), sort_keys=False, allow_unicode=True, width=10_000)
    return f"---\n{head}---\n\n# {entry.name}\n\n{table(['', ''], facts(entry, spec))}\n\n{END}{by_hand}"


def metadata(entry: ShippedModel, spec: ModelSpec) -> dict[str, Any]:
    """Return the block that Hugging Face reads.

    Its form: https://github.com/huggingface/hub-docs/blob/main/modelcard.md.
    """
    data: dict[str, Any] = {"license": entry.licence}
    if entry.licence_name:
        data |= {"license_name": entry.licence_name, "license_link": entry.licence_link}
    data["library_name"] = "touchdown-landing"
    data["pipeline_tag"] = "image-segmentation"
    data["tags"] = ["onnx", "drone", "uav", "landing", "semantic-segmentation"]
    data["datasets"] = [re.sub(r"[^a-z0-9]+", "-", spec.taxonomy.name.lower())]
    results = [
        {
            "task": {"type": "image-segmentation"},
            "dataset": {
                "type": data["datasets"][0],
                "name": entry.data,
                "split": {"val": "validation"}.get(part, part),
            },
            "metrics": metrics,
        }
        for part in ("val", "test")
        if (metrics := [m for name in entry.figures if (m := metric(name, part, spec))])
    ]
    if results:
        data["model-index"] = [{"name": entry.name, "results": results}]
    return data


def metric(name: str, part: str, spec: ModelSpec) -> dict[str, Any] | None:
    """Return one figure of a part; None where it is of another one.

    Raises:
        SystemExit: The file does not have it.
    """
    if not name.startswith(f"{part}_"):
        return None
    if name not in spec.provenance.metrics:
        known = ", ".join(sorted(spec.provenance.metrics))
        raise SystemExit(f"{spec.name}: its ModelSpec has no {name!r}, which the registry asks for; it has {known}")
    kind, words = METRICS[name.removeprefix(f"{part}_")]
    return {"type": kind, "name": words, "value": round(spec.provenance.metrics[name], 4)}


def facts(entry: ShippedModel, spec: ModelSpec) -> list[list[str]]:
    """Return the rows of a card's table."""
    known = entry.known()
    rows = [
        ["for", entry.use],
        ["may I sell with it?", f"**{entry.sell}**"],
        ["licence", f"{entry.licence_name or entry.licence}; data: {spec.provenance.licence}"],
        ["file", f"`{entry.file}`, {known.size_bytes / 1e6:.2f} MB, SHA-256 `{known.sha256}`"],
        [
            "network",
            f"{spec.architecture}, input {known.input_px[0]}x{known.input_px[1]}, maps every "
            f"{spec.outputs.stride} px, temperature {spec.temperature:g}",
        ],
        ["from how high", height_words(known, spec)],
        ["trained on", spec.provenance.trained_on],
        ["classes", "; ".join(f"{role}: {', '.join(names)}" for role, names in roles(spec).items())],
        ["thresholds", thresholds(spec)],
        ["confidence", "none in the file" if spec.site_confidence is None else spec.site_confidence.describe()],
    ]
    for part, words in (("val", "on val, which chose it"), ("test", "on test")):
        shown = [m for name in entry.figures if (m := metric(name, part, spec))]
        if shown:
            rows.append([f"{words}, most probable class", "; ".join(f"{m['name']} {m['value']:.3f}" for m in shown)])
    return rows


def height_words(known: FileFacts, spec: ModelSpec) -> str:
    """Return the height up to which a model may be used, and where that is from."""
    ground = spec.ground_range
    if known.highest_m is None or ground is None:
        return "not said"
    per_pixel = f"{ground.describe()} of ground a pixel ({ground.source})"
    return f"up to {metres_down(known.highest_m)} m with a lens of {LENS_DEG:g} degrees: {per_pixel}"


def roles(spec: ModelSpec) -> dict[str, list[str]]:
    """Return the names of the classes by role."""
    found: dict[str, list[str]] = {}
    for one in spec.taxonomy.classes:
        found.setdefault(one.role.value, []).append(one.name)
    return found


def thresholds(spec: ModelSpec) -> str:
    """Return the thresholds in a file, in words."""
    point = spec.operating
    if point is None:
        return "none in the file: it flies with the defaults"
    named = ("landable", "person", "vehicle", "obstacle", "water")
    return f"{', '.join(f'{role} {getattr(point, role):.2f}' for role in named)}; chosen on {point.chosen_on}"


INTRODUCTION = """\
# Model zoo

<!-- Written by `python -m docs.make.models`. Change the registry or the cards in `touchdown/models/`. -->

Every model flies as it is: camera frames in, landing maps out, its own description inside the file. Ask two questions
first. May you sell with it? From how high does it see your ground?
"""
GET = """\
*Up to*: height above ground with a lens of 70 degrees that looks straight down. From higher up the answer is "descend
first".

None of these has seen your ground. [Train your own](train/index.md) for it.

## Get one

<!-- run: get -->
```bash
touchdown models list
touchdown models get synthetic-unet
touchdown models card synthetic-unet
```

`get` prints the path of the file. In a checkout the file is there. Otherwise it is downloaded from the release, its
SHA-256 is compared, and it is kept in `~/.local/share/touchdown/models`. A broken download goes on where it stopped.

How fast they run, and in which runtimes: [one table of boards](boards.md).
"""


def page(registry: Registry, cards: dict[str, str]) -> str:
    """Return the page of the model zoo."""
    rows = []
    for entry in registry.models:
        known = entry.known()
        highest = "not said" if known.highest_m is None else f"{metres_down(known.highest_m)} m"
        size = f"{known.size_bytes / 1e6:.1f} MB"
        rows.append([f"[{entry.name}](#{entry.name})", f"**{entry.sell}**", entry.use, entry.data, highest, size])
    heads = ["model", "may I sell?", "for", "trained on", "up to", "size"]
    parts = [INTRODUCTION, table(heads, rows), GET]
    parts += [part for entry in registry.models for part in shown(entry, cards[entry.name])]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def shown(entry: ShippedModel, text: str) -> Iterator[str]:
    """Yield a card as a part of the page: without its metadata, its headings one level down, with its picture."""
    body = re.sub(r"\A---\n.*?\n---\n+", "", text, flags=re.S).replace(END, "").strip()
    body = body.replace("](../../../", "](../")
    body = re.sub(r"^(#+) ", r"#\1 ", body, flags=re.M)
    heading, _, rest = body.partition("\n")
    picture = ROOT / "docs" / "pictures" / f"model-{entry.name}.webp"
    yield heading
    if picture.exists():
        yield f"![A frame of the simulator with the site that {entry.name} chooses](pictures/{picture.name})"
    else:
        yield "*No picture: we have none of real ground whose licence lets us show it.*"
    yield re.sub(r"\n{3,}", "\n\n", rest.strip())


def table(heads: list[str], rows: list[list[str]]) -> str:
    """Return a table of Markdown."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(
        f"| {' | '.join(cell.replace('|', '/') for cell in line)} |".replace("|  |", "| |") for line in lines
    )


def main(arguments: list[str]) -> int:
    """Write what has changed, or name it with `--check`."""
    files = written()
    changed = [path for path, text in files.items() if not path.exists() or path.read_text("utf-8") != text]
    for path in changed:
        print(("differs: " if "--check" in arguments else "wrote ") + str(path.relative_to(ROOT)))
        if "--check" not in arguments:
            path.write_text(files[path], "utf-8")
    return int("--check" in arguments and bool(changed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
