"""Whole small campaigns: the same bytes however they are run, and what the page shows."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from landing.camera import CameraModel
from landing.types import Pose
from sim.campaign import campaign
from sim.campaign.campaign import run_campaign
from sim.campaign.command import plan_from
from sim.campaign.engines import outcomes
from sim.campaign.replay import contact_sheet, replay
from sim.campaign.report import command_of
from sim.campaign.scene import CampaignError
from sim.campaign.store import JOURNAL, PLAN, RESULTS, TIMINGS, CampaignFolder, cost_of, inputs_of
from sim.campaign.task import Plan, Task, TaskResult, run
from sim.campaign.trace import Flown
from sim.cli import cli
from sim.flight.plan import TrackPoint
from sim.world import World, parse_world_spec
from sim.world.heights import with_heights
from tests.edge import fake_model
from tests.edge.test_resolved import CAREFUL

WORLD = "procedural?gsd_m=0.2&size_m=60"
LOW_SEED = 1083
"""Of a campaign whose first scenes begin low, at 16 m: the quickest to fly, and to come down three times as fast."""


def plan(**changes: object) -> Plan:
    settings: dict[str, object] = {
        "scenes": 2,
        "seed": LOW_SEED,
        "split": "train",
        "worlds": (WORLD,),
        "policies": ("straight-down",),
        "search_s": 3.0,
        "autopilot": {"LAND_SPEED": 150},
    }
    return Plan(**{**settings, **changes})  # type: ignore[arg-type]


@pytest.fixture(scope="module", params=["shared-campaign"])
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("campaign")
    run_campaign(plan(), out, "processes", 1)
    return out


def test_a_network_is_flown_with_its_own_thresholds(finished: Path, tmp_path: Path) -> None:
    """As the daemon flies it; and the campaign says with which."""
    model = fake_model.save(tmp_path / "careful.onnx", spec=CAREFUL)
    chosen = plan(segmentation="model", model=str(model), decision={"person_probability": 0.05})
    decision = chosen.setup().decision
    assert (decision.frame_landable_probability, decision.person_probability) == (0.923, 0.05)
    flight = json.loads((finished / PLAN).read_text())["flight"]
    assert flight == plan().resolved().report()
    assert {t["source"] for t in flight["value"]["thresholds"]} == {"default"}
    folder = CampaignFolder(tmp_path / "out", chosen)
    folder.close()
    head = json.loads((tmp_path / "out" / PLAN).read_text())
    assert head["flight"]["value"]["sources"]["decision.frame_landable_probability"] == "model"


def test_two_workers_give_the_bytes_of_one(finished: Path, tmp_path: Path) -> None:
    run_campaign(plan(), tmp_path, "processes", 2)
    assert (tmp_path / RESULTS).read_bytes() == (finished / RESULTS).read_bytes()


def test_a_cluster_gives_the_bytes_of_one(finished: Path, tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    run_campaign(plan(), tmp_path, "dask", 2)
    assert (tmp_path / RESULTS).read_bytes() == (finished / RESULTS).read_bytes()


@pytest.fixture
def flown(monkeypatch) -> list[int]:
    """Numbers of the scenes that are flown from here on."""
    numbers: list[int] = []

    def watched(tasks: tuple[Task, ...], *how: object) -> Iterator[TaskResult]:
        numbers.extend(task.number for task in tasks)
        return outcomes(tasks, *how)  # type: ignore[arg-type]

    monkeypatch.setattr(campaign, "outcomes", watched)
    return numbers


def test_a_killed_campaign_goes_on_to_the_same_bytes(finished: Path, tmp_path: Path, flown: list[int]) -> None:
    for name in (PLAN, JOURNAL):
        (tmp_path / name).write_bytes((finished / name).read_bytes())
    lines = (finished / JOURNAL).read_bytes().splitlines(keepends=True)
    # Killed in the middle of the second line.
    (tmp_path / JOURNAL).write_bytes(lines[0] + lines[1][: len(lines[1]) // 2])
    run_campaign(plan(), tmp_path, "processes", 1)
    assert flown == [1]
    assert (tmp_path / RESULTS).read_bytes() == (finished / RESULTS).read_bytes()


def test_a_finished_campaign_flies_nothing_again(finished: Path, flown: list[int]) -> None:
    before = (finished / RESULTS).read_bytes()
    run_campaign(plan(), finished, "processes", 1)
    assert flown == []
    assert (finished / RESULTS).read_bytes() == before


def test_results_are_in_order_and_hold_nothing_of_the_machine(finished: Path) -> None:
    lines = (finished / RESULTS).read_text("utf-8").splitlines()
    records = [json.loads(line) for line in lines]
    assert [r["scene"] for r in records] == [0, 1]
    assert not any("cpu" in line or str(finished) in line for line in lines)
    timings = (finished / TIMINGS).read_text("utf-8").splitlines()
    assert all(json.loads(line)["flight_cpu_s"] > 0 for line in timings)
    cost = cost_of(finished)
    assert cost is not None
    assert cost.simulated_s == pytest.approx(sum(r["seconds"] for r in records), abs=0.02)
    assert "times real time per core" in cost.words


def test_a_folder_holds_one_campaign(finished: Path) -> None:
    with pytest.raises(CampaignError, match=r"seed 1083 \(asked now: 5\)"):
        CampaignFolder(finished, plan(seed=5))


def test_a_folder_holds_results_of_one_code(finished: Path, tmp_path: Path) -> None:
    head = json.loads((finished / PLAN).read_text("utf-8"))
    head["code"] = "another"
    (tmp_path / PLAN).write_text(json.dumps(head), "utf-8")
    with pytest.raises(CampaignError, match="other code"):
        CampaignFolder(tmp_path, plan())


def test_a_folder_holds_results_of_the_same_files(finished: Path, tmp_path: Path) -> None:
    measured = tmp_path / "measured.json"
    measured.write_text("{}", "utf-8")
    asked = plan(errors=str(measured))
    CampaignFolder(tmp_path / "c", asked).close()
    CampaignFolder(tmp_path / "c", asked).close()
    measured.write_text("{ }", "utf-8")
    with pytest.raises(CampaignError, match=r"content of measured\.json has changed"):
        CampaignFolder(tmp_path / "c", asked)


def test_a_folder_holds_results_of_the_same_worlds(tmp_path: Path) -> None:
    for name in ("a.png", "labels/a.png", "classes.toml", "yard/world.json", "yard/labels.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name, "utf-8")
    photo = f"photo:{tmp_path}/a.png?labels={tmp_path}/labels/a.png&taxonomy={tmp_path}/classes.toml&gsd_m=0.02"
    asked = plan(worlds=(photo, f"folder:{tmp_path}/yard", WORLD))
    assert set(inputs_of(asked)) == {photo, f"folder:{tmp_path}/yard"}
    for number, name in enumerate(("a.png", "labels/a.png", "classes.toml", "yard/labels.png")):
        out = tmp_path / f"out{number}"
        CampaignFolder(out, asked).close()
        CampaignFolder(out, asked).close()
        (tmp_path / name).write_text("changed", "utf-8")
        with pytest.raises(CampaignError, match=f"content of {'folder' if 'yard' in name else 'photo'}:.* has changed"):
            CampaignFolder(out, asked)
    (tmp_path / "a.png").unlink()
    with pytest.raises(CampaignError, match="cannot be read"):
        inputs_of(asked)


def test_policies_meet_the_very_same_scene() -> None:
    both = plan(policies=("straight-down", "largest-centroid"), scenes=1)
    together = run(Task(both, 0, both.policies)).records
    alone = run(Task(both, 0, ("largest-centroid",))).records
    assert together[1] == alone[0]
    same = ("start_ne_m", "conditions", "world", "world_seed", "intruder")
    assert all(together[0][name] == together[1][name] for name in same)


def test_ours_flies_through_messages_to_the_ground_or_says_why() -> None:
    (record,) = run(Task(plan(policies=("touchdown",), search_s=25.0, autopilot={}), 1, ("touchdown",))).records
    assert record["verdict"] in ("landed-safe", "no-site")
    if record["verdict"] == "landed-safe":
        assert record["touchdown"]["miss_m"] < 2.0
        assert record["targets"] > 100
    else:
        assert record["reason"]


def test_replay_gives_the_record_again_and_draws_it(finished: Path) -> None:
    record, where, same = replay(finished, 1, None, sheet=False)
    assert same
    assert record["scene"] == 1
    assert (where / "landing.png").read_bytes().startswith(b"\x89PNG")
    track = [json.loads(x) for x in (where / "trace.jsonl").read_text("utf-8").splitlines()]
    assert [m["t_s"] for m in track] == sorted(m["t_s"] for m in track)
    with pytest.raises(CampaignError, match="scenes 0 to 1"):
        replay(finished, 2, None, sheet=False)


def test_a_replay_contradicts_only_a_record_that_is_there(finished: Path, tmp_path: Path) -> None:
    shutil.copy(finished / PLAN, tmp_path)
    _, _, same = replay(tmp_path, 1, None, sheet=False)
    assert same
    records = [json.loads(line) for line in (finished / RESULTS).read_text("utf-8").splitlines()]
    (tmp_path / RESULTS).write_text("".join(json.dumps(r | {"seconds": 1.0}) + "\n" for r in records), "utf-8")
    _, _, same = replay(tmp_path, 1, None, sheet=False)
    assert not same


def test_the_sheet_looks_from_above_the_ground_that_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    flat = parse_world_spec(WORLD, 1)
    hill = with_heights(flat, np.full(flat.labels.shape, 4.0, np.float32))
    downs_m: list[float] = []

    def picture(_world: World, camera: CameraModel, pose: Pose, *_rest: object, **_more: object) -> tuple[object, None]:
        assert pose.position_ned_m is not None
        downs_m.append(pose.position_ned_m[2])
        return np.zeros((camera.height_px, camera.width_px, 3), np.uint8), None

    monkeypatch.setattr("sim.campaign.replay.render", picture)
    contact_sheet(plan(), 0, Flown("landed", "", 1.0, [TrackPoint(0.0, 0.0, 0.0, 3.0, "descend", (0.0, 0.0))]), hill)
    assert set(downs_m) == {-7.0}


def test_the_report_stands_alone_and_names_the_replay_of_each_failure(finished: Path) -> None:
    from sim.campaign.report import failures, write_report
    from sim.campaign.store import read_campaign

    page = write_report(finished, pictures=1).read_text("utf-8")
    _, records = read_campaign(finished)
    for record in failures(records):
        assert f"--replay {finished.name} --scene {record['scene']} " in page
    assert page.count("<svg") == 3
    assert 'src="http' not in page
    assert "<script" not in page
    assert page.count("data:image/png") == min(1, len(failures(records)))


def test_the_best_of_a_row_are_all_that_share_it() -> None:
    from sim.campaign.report import best_of

    def of(**values: float) -> dict[str, object]:
        return {"shares": {name: {"value": value} for name, value in values.items()}}

    best = best_of(
        {
            "a": of(success=0.9, unsafe_by_looks=0.1),
            "b": of(success=0.9, unsafe_by_looks=0.0),
            "c": of(success=0.5, unsafe_by_looks=0.0),
        }
    )
    assert best == {"success": ["a", "b"], "unsafe_by_looks": ["b", "c"]}


def test_bad_options_are_words_and_not_tracebacks(tmp_path: Path) -> None:
    runner = CliRunner()
    for options, said in (
        (["--policy", "luck"], "policy 'luck'"),
        (["--split", "exam"], "--split 'exam'"),
        (["--segmentation", "model"], "needs --model"),
        (["--set", "decision.margin_m=-1"], "decision.margin_m"),
        (["--set", "magic=1"], "SECTION.NAME=VALUE"),
        (["--set", "autopilot.PLND_OPTION=0"], "no such parameter"),
        (["--set", "autopilot.PLND_OPTIONS=slow"], "not a finite number"),
        (["--set", "autopilot.LAND_SPEED=NaN"], "not a finite number"),
        (["--scheduler", "tcp://127.0.0.1:1"], "--engine dask"),
    ):
        result = runner.invoke(cli, ["campaign", "--out", str(tmp_path / "c"), *options])
        assert result.exception is not None
        assert said in str(result.exception)


def test_the_former_names_of_options_are_accepted() -> None:
    asked = {"worlds": "scenes", "scenes": 1, "seed": 1, "split": "train"}
    assert plan_from(policies="ours", segmentation="confusion", **asked) == plan_from(policies="touchdown", **asked)


def test_a_networks_shift_is_added_in_every_scene_and_said_in_the_command() -> None:
    usual, better = plan(), plan(network_shift=-1.5)
    for number in range(3):
        before, after = (p.scene(number).conditions.model_shift for p in (usual, better))
        assert after == pytest.approx(before - 1.5)
    assert "--network-shift -1.5 --search-s 3 --out DIR" in command_of(better)
    assert "--network-shift" not in command_of(usual)
    with pytest.raises(CampaignError, match="a model is what it is"):
        plan_from(
            policies="ours",
            worlds="scenes",
            scenes=1,
            seed=1,
            split="train",
            segmentation="model",
            model=Path("m.onnx"),
            network_shift=-1.0,
        )


def test_a_network_flies_over_classes_that_it_does_not_know(tmp_path: Path) -> None:
    """A slope is no class of `synthetic`: it is judged by, and the campaign says so."""
    model = fake_model.save(tmp_path / "colours.onnx")
    chosen = plan(
        scenes=1, worlds=("scenes:farmland?gsd_m=0.2&size_m=60",), segmentation="model", model=str(model), search_s=2.0
    )
    records, summary = run_campaign(chosen, tmp_path / "out", "processes", 1)
    assert records[0]["truth_only"] == ["slope"]
    assert summary["straight-down"]["truth_only"] == ["slope"]
    assert records[0]["frames"] > 0
