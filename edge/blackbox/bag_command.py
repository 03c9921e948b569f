"""`touchdown edge record`: a ROS 2 bag becomes a recording."""

from __future__ import annotations

import click

from edge.cli_options import ALLOW_FAILED_GATE, JSON, THREADS


@click.command()
@click.argument("bag", type=click.Path(exists=True))
@click.option(
    "--config", "-c", "config_path", required=True, type=click.Path(dir_okay=False), help="Lens, model and settings."
)
@click.option("--out", required=True, type=click.Path(file_okay=False), help="New folder to write to.")
@THREADS
@ALLOW_FAILED_GATE
@JSON
def record(bag: str, config_path: str, out: str, threads: int, allow_failed_gate: bool, as_json: bool) -> None:
    """Decide on a ROS 2 bag and write the recording that `replay`, `mine` and `calibrate` read.

    BAG is a folder or a file (.mcap, .db3) with pictures and the vehicle's poses. Lens, mount, model and settings are
    those of the configuration, as `edge serve` would fly them; nothing is sent.
    """
    import json
    from dataclasses import replace
    from pathlib import Path

    from edge.blackbox.bag_flight import record_bag
    from edge.config import load_config
    from edge.runtimes import load_runtime

    config = load_config(Path(config_path))
    options = config.model.options
    options = replace(
        options, threads=threads or options.threads, allow_failed_gate=allow_failed_gate or options.allow_failed_gate
    )
    with load_runtime(config.model.path, options) as runtime:
        runtime.warm_up()
        flight = record_bag(Path(bag), config, runtime, Path(out))
    if as_json:
        values = {"folder": str(flight.folder), "decisions": flight.decisions, "sites": flight.sites}
        click.echo(json.dumps({**values, "no_site": dict(flight.reasons), "notes": flight.notes}))
        return
    click.echo(f"flight {flight.flies.describe()}")
    for note in flight.notes:
        click.echo(note)
    click.echo(f"{flight.decisions} pictures, {flight.sites} with a site")
    for reason, count in flight.reasons.most_common():
        click.echo(f"  no site, {reason}: {count}")
    click.echo(f"recording in {flight.folder}")
