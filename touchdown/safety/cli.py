"""`touchdown safety-case`: a document for a reviewer of an operation."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from landing.distribution import VERSION

SHIPPED = "semantic-drone-fast"
REPOSITORY = f"https://github.com/touchdown-landing/touchdown/blob/v{VERSION}/"


@click.command(name="safety-case")
@click.option("--config", "-c", type=click.Path(path_type=Path), help="Configuration; default: the shipped example.")
@click.option(
    "--model", "-m", type=click.Path(path_type=Path), help=f"Model file; default: the configured one, or {SHIPPED}."
)
@click.option(
    "--out", "-o", type=click.Path(path_type=Path), help="File to write: .md or .html; default: Markdown on stdout."
)
@click.option(
    "--links", default=REPOSITORY, show_default=True, help="Put in front of the paths of tests, code, results."
)
def cli(config: Path | None, model: Path | None, out: Path | None, links: str) -> None:
    """Write the safety case of a configuration with a model, for a reviewer of an operation.

    Operating domain, hazards and mitigations, claims with their tests, run-time monitors, perception data, SORA 2.5,
    and the risk against landing straight down. It is evidence, and no approval.
    """
    from edge.check import example_text
    from edge.config import load_config, parse_config
    from edge.resolved import resolve_flight
    from edge.runtimes.onnx_file import metadata_of, read_onnx
    from landing.errors import ConfigError, DataError, InvalidValueError, ModelError
    from landing.model.artefact import GateReport
    from landing.reading import open_for_writing, sha256_of
    from touchdown.models.registry import load_registry, spec_of
    from touchdown.models.store import find
    from touchdown.safety.case import Case
    from touchdown.safety.claims import load_claims, load_figures

    if out is not None and out.suffix.lower() not in (".md", ".html"):
        raise InvalidValueError(f"--out {out}: expected a name that ends in .md or .html")
    if config is None:
        chosen, name = parse_config(_toml(example_text()), Path("example.toml")), "the shipped example configuration"
    else:
        chosen, name = load_config(config), config.name
    if model is None and config is not None:
        model = chosen.model.path
    if model is None:
        model = find(load_registry().entry(SHIPPED))
        if model is None:
            raise ModelError(f"{SHIPPED} is not on this machine: `touchdown models get {SHIPPED}`, or name a --model")
    if model.suffix.lower() == ".engine":
        raise ConfigError(f"model {model}: an engine; name the .onnx file that it was built from with --model")
    spec = spec_of(model)
    gate = GateReport.from_metadata(metadata_of(read_onnx(model)), f"model {model}")
    flight = resolve_flight(chosen, spec, {})
    document = Case(
        flight, spec, gate, sha256_of(model), name, config is None, load_claims(), load_figures(), links
    ).document()
    text = document.page() if out is not None and out.suffix.lower() == ".html" else document.markdown()
    if out is None:
        sys.stdout.write(text)
        return
    with open_for_writing(out, "safety case", DataError) as stream:
        stream.write(text.encode())
    click.echo(f"wrote {out}", err=True)


def _toml(text: str) -> dict[str, object]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    return tomllib.loads(text)
