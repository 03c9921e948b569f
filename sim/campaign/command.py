"""`touchdown sim campaign` behind its options: imported only when it is called."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
from pydantic import BaseModel, ValidationError

from edge.keys import MOVED
from landing.distribution import install_command
from landing.errors import DataError
from landing.ground.scale import IN_USE
from landing.settings import AuthoritySettings, DecisionSection, DirectorSection
from sim.campaign.campaign import run_campaign
from sim.campaign.emergency import EMERGENCIES
from sim.campaign.mistakes import MISTAKES
from sim.campaign.policies import POLICIES, policy_named
from sim.campaign.scene import SPLITS, CampaignError
from sim.campaign.store import cost_of
from sim.campaign.summary import words
from sim.campaign.task import Plan
from sim.vehicle.autopilot.parameters import TABLE
from sim.world import expand_world_spec
from sim.world.spec import heights_of, is_photo, photo_gsd_m, photo_with

SCENES = 200

NO_REPORT = f"no report: it needs matplotlib and jinja2, {install_command('campaign')}"


def plan_from(
    *,
    policies: str,
    worlds: str,
    scenes: int | None = None,
    gsd_m: float | None = None,
    emergency: str = "",
    mistakes: str = "",
    settings: tuple[str, ...] = (),
    say: Callable[[str], None] | None = None,
    **asked: Any,
) -> Plan:
    """Return a plan of what was typed.

    Args:
        policies: Names with commas, or `all`.
        worlds: Specifications with commas.
        scenes: How many; `SCENES`, or each photograph once, when None.
        gsd_m: Metres per pixel of photographs that do not say it in their specification.
        emergency: Kinds of failsafes with commas, or nothing.
        mistakes: Kinds of mistakes of set-up with commas, `all`, or nothing.
        say: Told of photographs that are left out.
        settings: Assignments ``SECTION.NAME=VALUE``.
        asked: Other fields of `Plan`, files as paths.

    Raises:
        CampaignError: Something in it cannot be.
    """
    names = tuple(POLICIES) if policies == "all" else tuple(policy_named(name).name for name in policies.split(","))
    fields: dict[str, Any] = {k: str(v.resolve()) if isinstance(v, Path) else v for k, v in asked.items()}
    specs = tuple(
        world for part in worlds.split(",") for world in usable(expand_world_spec(photo_with(part, gsd_m=gsd_m)), say)
    )
    if scenes is None:
        scenes = len(specs) if all(map(is_photo, specs)) else SCENES
    turns: dict[str, Any] = {
        "emergencies": kinds_of(emergency, EMERGENCIES, "--emergency"),
        "mistakes": MISTAKES if mistakes == "all" else kinds_of(mistakes, MISTAKES, "--mistakes"),
    }
    plan = Plan(scenes, policies=names, worlds=specs, **turns, **fields, **dict[str, Any](_settings(settings)))
    if plan.segmentation == "confusion":
        plan = replace(plan, segmentation="errors")
    if plan.split not in SPLITS:
        raise CampaignError(f"--split {plan.split!r}: expected {', '.join(SPLITS)}")
    if plan.segmentation != "model" and plan.runtime != "auto":
        raise CampaignError("--runtime is of --segmentation model")
    if plan.segmentation == "model" and plan.network_shift:
        raise CampaignError("--network-shift is of --segmentation errors: a model is what it is")
    if plan.segmentation != "model" and any(map(is_photo, specs)):
        raise CampaignError("a photograph is flown by a network: give --segmentation model and --model FILE.onnx")
    if plan.segmentation == "model" and plan.model is None:
        raise CampaignError("--segmentation model needs --model FILE.onnx")
    if plan.mistakes and not (plan.sees_relief and all(is_photo(w) or heights_of(w) for w in specs)):
        raise CampaignError(
            "--mistakes are told by the pictures of ground with relief: --worlds 'scenes?heights=drawn'"
        )
    return fine_enough(plan, say) if any(map(is_photo, specs)) else plan


def kinds_of(text: str, known: Collection[str], option: str) -> tuple[str, ...]:
    """Return the kinds in a text with commas.

    Args:
        text: As typed.
        known: All kinds.
        option: Name of the option, for the error.

    Raises:
        CampaignError: There is no such kind.
    """
    kinds = tuple(filter(None, text.split(",")))
    for kind in kinds:
        if kind not in known:
            raise CampaignError(f"{option} {kind!r}: expected {', '.join(known)}")
    return kinds


def fine_enough(plan: Plan, say: Callable[[str], None] | None) -> Plan:
    """Return the plan without photographs whose pixels show more ground than its network was trained for.

    Raises:
        CampaignError: None is left.
    """
    known = plan.resolved().ground_range
    if known is None:
        return plan
    most_m = 1e-3 * known.coarsest_mm * IN_USE
    gsd_m = {spec: photo_gsd_m(spec) if is_photo(spec) else 0.0 for spec in plan.worlds}
    fine = tuple(spec for spec in plan.worlds if gsd_m[spec] <= most_m)
    for spec in plan.worlds:
        if gsd_m[spec] > most_m and say is not None:
            say(
                f"left out: {spec} shows {1000 * gsd_m[spec]:.3g} mm of ground a pixel, the model was trained for "
                f"{known.describe()}"
            )
    if not fine:
        raise CampaignError(
            f"all {len(gsd_m)} photographs are coarser than the {known.describe()} of ground a pixel that the model "
            "was trained for: take them from lower down"
        )
    scenes = len(fine) if plan.scenes == len(plan.worlds) else plan.scenes
    return replace(plan, worlds=fine, scenes=scenes)


def usable(specs: tuple[str, ...], say: Callable[[str], None] | None) -> tuple[str, ...]:
    """Return the specifications without photographs that cannot be flown, each said with its reason.

    Raises:
        DataError: None can.
    """
    good: list[str] = []
    first: DataError | None = None
    for spec in specs:
        try:
            if is_photo(spec):
                photo_gsd_m(spec)
            good.append(spec)
        except DataError as problem:
            first = first or problem
            if say is not None:
                say(f"left out: {problem}")
    if first is not None and not good:
        raise first
    return tuple(good)


SECTIONS: dict[str, type[BaseModel]] = {
    "decision": DecisionSection,
    "director": DirectorSection,
    "authority": AuthoritySettings,
}


AUTOPILOT = "autopilot"


def _settings(assignments: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """``decision.margin_m=0.6`` and the like, checked."""
    found: dict[str, dict[str, Any]] = {name: {} for name in (*SECTIONS, AUTOPILOT)}
    for text in assignments:
        name, _, value = text.partition("=")
        section, _, key = name.partition(".")
        if section not in found or not key or not value:
            raise CampaignError(f"--set {text!r}: expected SECTION.NAME=VALUE with a section of {', '.join(found)}")
        if name in MOVED:
            raise CampaignError(f"--set {name}: the setting is {MOVED[name]}")
        *groups, last = key.split(".")
        place = found[section]
        for group in groups:
            place = place.setdefault(group, {})
        try:
            place[last] = json.loads(value)
        except json.JSONDecodeError:
            place[last] = value
    for section, model in SECTIONS.items():
        try:
            model(**found[section])
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(str(part) for part in first["loc"]) or section
            raise CampaignError(f"--set {section}.{key}: {first['msg']}") from error
    known = {row.name for row in TABLE}
    for key, value in found[AUTOPILOT].items():
        if key not in known:
            raise CampaignError(f"--set {AUTOPILOT}.{key}: the stand-in has no such parameter")
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not math.isfinite(value):
            raise CampaignError(f"--set {AUTOPILOT}.{key}: {value!r} is not a finite number")
    return found


def campaign_command(
    plan: Plan, out: Path, engine: str, jobs: int, scheduler: str | None, pictures: int, as_json: bool
) -> None:
    """Flies, writes the report and says what came of it."""
    if not as_json:
        click.echo(f"flight {plan.resolved().describe()}")
    _, summary = run_campaign(plan, out, engine, jobs, scheduler)
    report = _report(out, pictures)
    if as_json:
        click.echo(json.dumps(summary))
        return
    for name, figures in summary.items():
        click.echo(words(name, figures))
    cost = cost_of(out)
    if cost is not None:
        click.echo(cost.words)
    click.echo(f"results: {out / 'results.jsonl'}")
    click.echo(f"report: {report}" if report is not None else NO_REPORT)


def _report(out: Path, pictures: int) -> Path | None:
    """The report's file; None without what it is made with."""
    try:
        from sim.campaign.report import write_report
    except ImportError:
        return None
    return write_report(out, pictures)


def replay_command(folder: Path, number: int, policy: str | None, sheet: bool, as_json: bool) -> None:
    """Flies one landing again and says where its picture is."""
    try:
        from sim.campaign.replay import replay
    except ImportError:
        raise CampaignError(f"--replay draws: {NO_REPORT}") from None
    record, where, same = replay(folder, number, policy, sheet)
    if as_json:
        click.echo(json.dumps(record))
        return
    reason = f", {record['reason']}" if record["reason"] else ""
    click.echo(f"scene {number} {record['policy']}: {record['verdict']}{reason}")
    click.echo(f"picture and trace: {where}")
    if not same:
        click.echo("the campaign's results say otherwise: they are of other code", err=True)
