"""The command line of the ROS 2 node. Only click is imported at the top: `--help` must be quick."""

from __future__ import annotations

import click


@click.group(name="ros2")
def cli() -> None:
    """Be a node of a ROS 2 graph, without an installation of ROS (extra ros2)."""


@cli.command()
@click.option(
    "--config", "-c", "config_path", required=True, type=click.Path(dir_okay=False), help="As for edge serve."
)
@click.option("--max-seconds", type=click.FloatRange(min=0.1), help="Stop by itself after so long.")
def serve(config_path: str, max_seconds: float | None) -> None:
    """Run the daemon and give its answers to the graph, as `[ros2] enabled = true` has `edge serve` do.

    Pictures come from the graph where camera.source is ros2://TOPIC. ROS_DOMAIN_ID and CYCLONEDDS_URI count as for ROS.
    """
    from edge.ending import Ending

    with Ending() as ending:  # before anything slow is imported
        from pathlib import Path

        import cyclonedds  # noqa: F401 - said in a line where it is missing

        from edge.serve import serve as run

        raise SystemExit(run(Path(config_path), ending, max_seconds, ros2=True))


@cli.command()
@click.argument("topic")
@click.option("--out", required=True, type=click.Path(dir_okay=False), help="YAML file to write.")
@click.option(
    "--timeout", "timeout_s", default=10.0, show_default=True, type=click.FloatRange(0.1, 600), help="Longest wait, s."
)
def calibration(topic: str, out: str, timeout_s: float) -> None:
    """Write the calibration that a camera publishes, as camera.calibration reads it.

    TOPIC is the camera's picture, such as /camera/image_raw; its camera_info lies beside it.
    """
    from pathlib import Path

    from edge.ros.calibration import write_calibration

    click.echo(write_calibration(topic, Path(out), timeout_s))
