"""docs/results.md, written from the raw figures in benchmarks/results/.

    python -m docs.make.results          # writes the page
    python -m docs.make.results --check  # exit status 1 where the page is another

No figure is typed here: each is read from a file, and its row names the file, the day and the commit of the code.
"""

from __future__ import annotations

import json
import statistics
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from docs.make.markdown import table, write_or_compare

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "benchmarks" / "results"
PAGE = ROOT / "docs" / "results.md"

HEAD = """# Results

What was measured, with the day, the commit of the code, and the file with the raw figures.
`python -m docs.make.results` writes this page from `benchmarks/results/`. No figure is typed by hand.

**Read it like this.** A figure holds for the code of its commit. Where the day is older than the newest change of the
decision ([changelog](../CHANGELOG.md)), it tells what an older decision did. A landing counts as safe when every cell
within the vehicle's radius is landable by the ground truth. A campaign is also judged by whom and what the vehicle met
on its way; a row says so where it was judged at the touchdown alone. Brackets hold Wilson's 95 % interval. Simulators
are not fields: **no figure here is from a flight in the open.** [SAFETY.md](../SAFETY.md) says what is promised.
"""

END = """## How to measure it again

Each script is in [benchmarks/](../benchmarks/README.md) with its command and what it needs. Figures that did not become
a row:
[thresholds of `semantic-drone-fast` before and after](../benchmarks/results/operating-point.md),
[the networks that the presets were chosen from](../benchmarks/results/presets.md),
[landings by the network itself, with each failure](../benchmarks/results/network_flights.md),
[whole landings over photographs, one by one](../benchmarks/results/photo_landings.md),
[a first day with the tools, timed](../benchmarks/results/first-day.md).
"""


@dataclass(frozen=True)
class Row:
    """A line of a table.

    Attributes:
        what: The question.
        result: The figures, in words.
        source: Name of a JSON file in benchmarks/results, or a link to a page.
        day: Of the measurement, with its commit; that of the file by default.
    """

    what: str
    result: str
    source: str
    day: str = ""

    def cells(self) -> list[str]:
        """Return the cells of its line."""
        link = f"../benchmarks/results/{self.source}" if self.source.endswith(".json") else self.source
        name = self.source.rpartition("/")[2]
        return [self.what, self.result, self.day or day_of(self.source), f"[{name}]({link})"]


@cache
def figures(name: str) -> Any:
    """Return what a file of benchmarks/results holds."""
    return json.loads((RESULTS / name).read_text("utf-8"))


def day_of(name: str, series: str = "") -> str:
    """Return the day and the commit that a file of figures names, or one of its series that has its own."""
    data = figures(name)
    if series:
        data = data["series"][series].get("machine", data)
    about = data.get("machine") if isinstance(data, dict) else None
    about = about if isinstance(about, dict) else data if isinstance(data, dict) else {}
    day = about.get("date") or (data.get("measured", {}).get("date") if isinstance(data, dict) else None)
    if day is None:
        return "not noted"
    return f"{day}, `{about['commit']}`" if about.get("commit") else str(day)


def share(value: dict[str, Any]) -> str:
    """Return a share with its interval, in words."""
    count, of = value["count"], value["of"]
    if not of:
        return "0 of 0"
    low, high = value["low"] * 100, value["high"] * 100
    return f"{count} of {of} ({low:.1f} to {high:.1f} %)"


def percent(value: float, digits: int = 0) -> str:
    """Return a share in percent."""
    return f"{value * 100:.{digits}f} %"


def met(shares: dict[str, Any]) -> str:
    """Return in words how many flights met somebody or something on their way; an older judge did not ask."""
    if "struck" not in shares:
        return "; judged at the touchdown alone"
    return f"; met somebody or something on the way: {share(shares['struck'])}"


def simulated() -> Iterator[Row]:
    """Yield landings in our own simulator."""
    name = "landings-synthetic.json"
    s = figures(name)["summary"]
    yield Row(
        f"`touchdown sim land`, {s['flights']} procedural worlds, the demo network on rendered pictures",
        f"**{s['landed_safe']} of {s['flights']} landed safely**, {s['landed_unsafe']} unsafely; straight down would "
        f"have been safe in {s['straight_down_would_be_safe']}; {s['miss_m_median']:.2f} m from the site in the median",
        name,
    )
    yield from network_flights()
    yield from proving_ground()
    yield from failsafes()
    yield from relief_flights()
    yield mistaken_flights()
    yield from surveys()
    yield from approaches()
    name = "last_metres.json"
    data = figures(name)
    words = "; ".join(f"{end.replace('-', ' ')}: {share(d['person_within_2m'])}" for end, d in data["ends"].items())
    yield Row(
        f"somebody sets out for the site in each of {data['scenes']} scenes: touchdowns with a person within 2 m, by "
        "how the landing ends",
        words,
        name,
    )


def network_flights() -> Iterator[Row]:
    """Yield landings by the network itself, and by its measured mistakes on the same scenes."""
    name = "network_flights.json"
    data = figures(name)
    ways = {
        "network": f"the demo network itself (`{data['model']}`), on rendered pictures",
        "mistakes": "the same scenes with its measured mistakes on true labels",
    }
    for way, words in ways.items():
        shares = data[way]["shares"]
        on = ", ".join(f"{ground} {count}" for ground, count in data[way]["unsafe_on"].items())
        yield Row(
            f"`touchdown sim campaign`, {data['scenes']} {data['split']} scenes: {words}",
            f"**{share(shares['success'])} of the landings that ended where a site exists were safe**; unsafe, as "
            f"looks can tell: {share(shares['unsafe_by_looks'])}, as only relief can: "
            f"{share(shares['unsafe_by_relief'])}{on and f' (on {on})'}; given up although there was a site: "
            f"{share(shares['false_no_site'])}; a person within 2 m of the touchdown: "
            f"{share(shares['person_within_2m'])}{met(shares)}",
            name,
        )


def failsafes() -> Iterator[Row]:
    """Yield the landings that a failsafe of the autopilot orders."""
    name = "failsafes.json"
    data = figures(name)
    for level, d in data["levels"].items():
        shares = d["shares"]
        yield Row(
            f'`failsafe = "{level}"`, {d["scenes"]} {data["split"]} scenes, seen once: a low battery or a lost ground '
            "station orders the landing, nobody at the sticks",
            f"**{share(shares['success'])} of the landings that ended where a site exists were safe**; a person within "
            f"2 m of the touchdown: {share(shares['person_within_2m'])}; held longer than the battery allows: "
            f"{share(shares['held_too_long'])}; batteries empty in the air: {share(shares['battery_empty'])}"
            f"{met(shares)}",
            name,
        )


def relief_flights() -> Iterator[Row]:
    """Yield landings on uneven and flat discs that look alike, by each way to measure relief."""
    name = "relief_flights.json"
    data = figures(name)
    ways = {"without relief": "without it", "depth camera": "by a depth camera", "parallax": "by parallax"}
    ways["parallax with the step"] = "by parallax with `guard`'s step aside"
    words = [
        f"{text} on uneven ground {share(data[way]['landed on uneven ground'])}, given up over a flat disc "
        f"{share(data[way]['flat lost'])}"
        for way, text in ways.items()
    ]
    yield Row(
        f"`benchmarks.relief_flights`, {data['scenes']} {data['split']} places: landings ordered on a disc that is "
        "steeper than 10 degrees or holds something taller than 0.4 m, and on one that is flat; relief measured",
        "; ".join(words),
        name,
    )


def mistaken_flights() -> Row:
    """Return the landings with a mistake of set-up, beside the same ones without it."""
    name = "mistaken_flights.json"
    data = figures(name)
    mistaken, right = (data[way]["shares"] for way in ("mistaken", "right"))
    kinds = ", ".join(
        f"{kind} {d['named']['count']} of {d['flights']} (median {d['median_s']} s)"
        for kind, d in data["kinds"].items()
        if d["median_s"] is not None
    )
    never = ", ".join(kind for kind, d in data["kinds"].items() if d["median_s"] is None)
    return Row(
        f"`touchdown sim campaign --mistakes all`, {data['scenes']} raised {data['split']} scenes: a mistake of set-up "
        "or a silent fault in each, the measured mistakes of the demo network",
        f"**unsafe: {share(mistaken['unsafe'])}** (the same scenes without it: {share(right['unsafe'])}); given up "
        f"although there was a site: {share(mistaken['false_no_site'])} ({share(right['false_no_site'])}); "
        f"named: {share(mistaken['mistake_named'])}, wrongly: {share(mistaken['mistake_named_wrongly'])}; "
        f"{kinds}{never and f'; never named: {never}'}",
        name,
    )


def surveys() -> Iterator[Row]:
    """`edge survey` over photographs of simulated worlds."""
    ways = {
        "network": "rendered photographs, the demo network of that day itself",
        "measured": "the measured mistakes of the demo network of that day on true labels, as if it knew all classes",
        "network-scenes": "rendered photographs, the demo network of that day, which knew no slope, crop or scrub",
    }
    for way, words in ways.items():
        name = f"site_survey-{way}.json"
        data = figures(name)
        bad = ", ".join(f"{count} on {ground}" for ground, count in data["bad_ground"].items())
        cut = (
            ""
            if "cut_off_sd" in data["place_error_m"]
            else f", never by more than {2 * data['place_error_m']['sd']:g} m to a side"
        )
        yield Row(
            f"`touchdown edge survey`, {data['photographs']} photographs of {len(data['surveyed'])} test worlds "
            f"({data['worlds']}): {words}; places wrong by {data['place_error_m']['sd']:g} m{cut}",
            f"**unsafe sites by the ground truth: {share(data['unsafe'])}**{f', {bad}' if bad else ''}; "
            f"{data['missed_by_2_m']['count']} with bad ground for a vehicle that misses by 2 m; "
            f"{data['worlds_without_a_site']} worlds without a site",
            name,
        )


def approaches() -> Iterator[Row]:
    """Yield who is told before they are at the site, and who is told wrongly, by the rate of decisions."""
    name = "approach.json"
    rates = figures(name)["rates"]

    def total(rate: str, kind: str, value: str) -> float:
        return sum(
            figure[value] for motion, figure in rates[rate].items() if motion.startswith(kind) and value in figure
        )

    for kind, who in (("walks", "walk"), ("drives", "drive")):
        told = (f"{total(r, kind, 'told_ahead')} of {total(r, kind, 'of')} at {r} decisions/s" for r in rates)
        yield Row(
            f"people who {who} over the site, the measured mistakes: told before they are there", "; ".join(told), name
        )
    wrong = [[f["told_a_minute"] for f in rates[r].values() if "told_a_minute" in f] for r in rates]
    words = (f"{statistics.mean(each):.1f} at {r}" for r, each in zip(rates, wrong, strict=True))
    yield Row("people and cars beside the site who do not come: told wrongly, times a minute", "; ".join(words), name)


def proving_ground() -> Iterator[Row]:
    """Yield the landings of the test scenes, and other policies on the first of them."""
    name = "proving_ground.json"
    data = figures(name)
    shares = data["touchdown"]["shares"]
    ground = "raised" if "heights=" in data["commands"]["landings"] else "flat"
    yield Row(
        f"`touchdown sim campaign`, {data['scenes']:,} {ground} test scenes, seen once: people who walk in, wind, "
        "sensor errors, the measured mistakes of the demo network",
        f"**{share(shares['success'])} of the landings that ended where a site exists were safe**; given up although "
        f"there was a site: {share(shares['false_no_site'])}; landed where none was promised: "
        f"{share(shares['landed_without_site'])}; a person within 2 m of the touchdown: "
        f"{share(shares['person_within_2m'])}{met(shares)}",
        name,
    )
    names = {
        "touchdown": "Touchdown",
        "single-frame": "Touchdown from single frames",
        "dovesei": "DOVESEI's rule",
        "largest-centroid": "largest region's centroid",
        "straight-down": "straight down",
    }
    policies = "; ".join(
        f"{names[policy]} {share(d['shares']['success'])}" for policy, d in data["side_by_side"].items()
    )
    yield Row(
        f"the first {data['baselines']} of them by each way of choosing: safe where a site exists", policies, name
    )
    passed = sum(ok for ok, _ in data["scenarios"].values())
    failed = [end for ok, end in data["scenarios"].values() if not ok]
    given_up, late = failed.count("no-site"), failed.count("timeout")
    words = f"{passed} passed, {given_up} given up, {len(failed) - given_up - late} landed unsafely"
    yield Row(
        f"{len(data['scenarios'])} adversarial scenarios", words + (f", {late} not over in time" if late else ""), name
    )


SITL = (
    ("sitl-ardupilot.json", "landings", "22 to 40 m, wind with gusts"),
    ("sitl-ardupilot.json", "hazard", "a person walks in, `guard`"),
    ("sitl-ardupilot-present.json", "landings", "a later decision"),
    ("sitl-ardupilot-present.json", "hazard", "a later decision, a person walks in, `guard`"),
    ("sitl-ardupilot-late.json", "late", "a person sets out when the vehicle is below 2 m, `guard`"),
    ("sitl-ardupilot-full-speed.json", "landings", "at full speed to the ground (`PLND_OPTIONS` 4)"),
    ("sitl-ardupilot-full-speed.json", "late", "full speed, a person sets out when it is below 4 m, `guard`"),
    ("sitl-network.json", "ardupilot", "the demo network itself over test scenes, wind with gusts, `guard`"),
    ("sitl-network.json", "px4", "the demo network itself, still air, `guard`, decisions up to 0.6 s old"),
    ("sitl-px4.json", "landings", "still air"),
    ("sitl-px4-present.json", "landings", "a later decision"),
    ("sitl-px4-present.json", "hazard", "a later decision, a person walks in, `guard`"),
    ("sitl-px4-look.json", "landings", "with the look around"),
    ("sitl-px4-look.json", "late", "with the look around, a person sets out when it is below 4 m, `guard`"),
    (
        "sitl-failsafes.json",
        "ardupilot",
        "ordered by a failsafe, nobody at the sticks, a person comes, `guard`; unsafe where they set out after the "
        "look around",
    ),
    ("sitl-failsafes.json", "px4", "the same in still air; unsafe where a critical battery allowed no hold"),
)
"""Series of landings on the autopilots' own simulators: file, series, conditions in words."""


def flights_of(name: str, series: str) -> dict[str, list[dict[str, Any]]]:
    """Return the flights of a series by the autopilot's version, the newest first."""
    flights = figures(name)["series"][series]["flights"]
    versions = sorted({flight["version"] for flight in flights}, reverse=True)
    return {version: [flight for flight in flights if flight["version"] == version] for version in versions}


def _safe(flights: list[dict[str, Any]]) -> str:
    """Return in words how many flights were safe, and what that leaves out: starved, or held up too long."""
    counts = Counter(flight["verdict"] for flight in flights)
    starved, too_long = counts["starved"], sum(bool(f.get("held_too_long")) for f in flights)
    words = [f"{starved} more starved"] * bool(starved) + [f"{too_long} held up too long"] * bool(too_long)
    return f"**{counts['landed-safe']} of {len(flights) - starved}**" + "".join(f"; {word}" for word in words)


def flown_by(name: str, series: str, version: str) -> str:
    """Return the day of a series' last flight, and the commit that flew all of a version, or how many did."""
    commits = {flight["commit"] for flight in flights_of(name, series)[version]}
    day = day_of(name, series).partition(",")[0]
    return f"{day}, `{commits.pop()}`" if len(commits) == 1 else f"{day}, {len(commits)} commits"


def autopilots() -> str:
    """Write the table of the landings on the autopilots' own simulators: a row for each version that flew a series."""
    rows = []
    for name, series, words in SITL:
        for version, flights in flights_of(name, series).items():
            autopilot = f"{'PX4' if 'px4' in name + series else 'ArduCopter'} {version}"
            miss_m, person_m = (
                [f[key] for f in flights if f[key] is not None and f["verdict"] != "starved"]
                for key in ("miss_m", "person_m")
            )
            nearest = f"{min(person_m):.1f}" if person_m else ""
            misses = [f"{statistics.mean(miss_m):.2f}", f"{max(miss_m):.2f}"]
            cells = [autopilot, words, _safe(flights), *misses, nearest, flown_by(name, series, version)]
            rows.append([*cells, f"[{name}](../benchmarks/results/{name})"])
    head = (
        "autopilot",
        "conditions",
        "safe",
        "from the site, m",
        "at most, m",
        "nearest person, m",
        "day, commit",
        "raw",
    )
    return table(head, rows)


def photographs() -> Iterator[Row]:
    """Yield real pictures: networks on their test part, and whole answers by place."""
    name = "semantic-drone-test.json"
    for column in figures(name)["columns"]:
        yield network(column, name)
    name = "real_ground.json"
    for group, d in figures(name)["groups"].items():
        unsafe = d["outcomes"].get("unsafe site", 0)
        sites = unsafe + d["outcomes"].get("safe site", 0)
        yield Row(
            f"`touchdown edge look` with `{figures(name)['model']}` on photographs of {d['places']} places, taken from "
            f"{group}",
            f"right answers {percent(d['mean_of_places'])} in the mean of places, {percent(d['worst_place'])} in the "
            f"worst; {unsafe} of {sites} judged sites unsafe; places without an unsafe site "
            f"{share(d['places_without_unsafe_site'])}",
            name,
        )
    name = "real_ground_landings.json"
    landings = figures(name)["landings"]
    d = landings["all"]
    yield Row(
        f"whole simulated landings over {d['flown']} photographs of {len(landings['places'])} places",
        f"landed safe where there was room: {share(d['landed_with_room'])}; unsafe: {share(d['unsafe_of_landed'])}",
        name,
    )
    yield from confidence(figures("site-confidence.json"))


def network(column: dict[str, Any], name: str) -> Row:
    """Return the row of one network on its test part."""
    recall, sites, wrong = column["recall"]["person"], column["sites"]["operating"], column["false_safe"]
    low, high = (percent(sites["abstain"][end]) for end in ("low", "high"))
    return Row(
        f"recipe of `semantic-drone-fast`, test of the Semantic Drone Dataset, split `{column['split_column']}`, "
        f"{column['scores']['pictures']} pictures, at the thresholds of that day "
        "([chosen anew since](../benchmarks/results/operating-point.md))",
        f"mIoU {column['scores']['miou']:.3f}; person recall {recall['operating']:.3f}; pixels wrongly free "
        f"{percent(wrong['all'], 1)}; **chosen sites that hold a hazard: {sites['with_hazard']} of {sites['sites']}**; "
        f"no site although there was room: {percent(sites['abstain']['share'])} ({low} to {high})",
        name,
    )


def confidence(data: list[dict[str, Any]]) -> Iterator[Row]:
    """Yield the calibration of what a model says of its sites."""
    for model in (each for each in data if each.get("site_confidence")):
        measured = model["site_confidence"]
        low, high = measured["ece_interval"]
        yield Row(
            f"{model['name']}, {model['part']}: the share of safe sites that it prints, against held-out scenes",
            f"expected calibration error {measured['ece']:.3f} ({low:.3f} to {high:.3f}), {measured['sites']:,} sites",
            "site-confidence.json",
        )


def board_answers() -> Row:
    """Return how far the answers of an emulated board lie from this machine's."""
    name = "board_answers.json"
    data = figures(name)
    words = [
        f"{model}, {found['board']['runtime']}: probabilities within {found['max_difference'] * 255:.0f}/255, "
        f"{percent(found['class_disagreement'], 2)} of the classes and {percent(found['site_differs'])} of the sites "
        "differ"
        for model, found in data["models"].items()
    ]
    return Row(
        f"the same models and versions on {data['processor']} (emulated, Python {data['python']}) and x86-64, "
        f"{len(data['pictures'])} photographs",
        "; ".join(words),
        name,
    )


def first_day() -> Row:
    """Return the long steps of a first day on an emulated board."""
    name = "first_day_pi5.json"
    data = figures(name)
    assert data["emulated"]
    used: dict[str, float] = {}
    for step in data["steps"]:
        used.setdefault(step["name"], step["cpu_s"])
    words = [f"{step} {seconds:.0f} s" for step, seconds in used.items() if seconds]
    return Row(
        f"a first day on {data['processor']} (emulated by {data['emulator']}, Python {data['python']}): seconds "
        "of the processor, which are not the board's",
        "; ".join(words),
        name,
    )


def speed() -> Iterator[Row]:
    """Yield times, each a ratio where the machine matters."""
    ways = {way["way"]: way for way in figures("export_speed.json")["ways"]}
    eager, plain = "times faster than eager U-Net 512x512", "times faster than plain U-Net 512x512"
    named = ("preset fast 512x512, ORT", "preset fast 512x512, OV bf16", "preset balanced 512x512, ORT")
    words = [f"{way} {ways[way][eager]:.1f}" for way in (*named, "fast-512.int8.onnx, ORT")]
    unet = ways["ours U-Net 512x512, every 2nd px, ORT"]
    yield Row(
        "frame to mask at 512x512 on 2 cores: how many times faster than a U-Net in torch with numpy around it",
        f"{'; '.join(words)}. The same U-Net against its plain ONNX export: {unet[plain]:.1f}",
        "export_speed.json",
    )
    data = figures("training_speed.json")
    ours, first = data["seconds_per_picture"]["ours"], data["seconds_per_picture"]["starting_point"]
    yield Row(
        f"training, {data['model']}, {data['input']}, {data['threads']} threads",
        f"{ours} s a picture, {data['ratio']:.1f} times less than the starting point's {first} s",
        "training_speed.json",
    )
    data = figures("input_pipeline.json")
    yield Row(
        f"training pictures of {data['source']}, {data['loader_processes']} loader processes",
        f"{data['store_images_per_s']:.0f} a second from the store, {data['ratio']:.0f} times those decoded every time",
        "input_pipeline.json",
    )
    grid = figures("decision_step.json")["grids"]["256"]
    yield Row(
        "one decision, one core, 256x256 cells, over two landings",
        f"{grid['p50_ms']:.1f} ms in the median, {grid['p99_ms']:.1f} ms at 99 %",
        "decision_step.json",
    )
    cases = figures("postprocess.json")["cases"]
    yield Row(
        "from the network's maps (512x512) to a site, 256x256 cells, one core",
        "; ".join(f"{case}: {d['median_ms']:.1f} ms" for case, d in cases.items()) + " (medians)",
        "postprocess.json",
    )
    data = figures("preview_cost.json")
    yield Row(
        "the live page with three viewers",
        f"{percent(1 - data['rate_ratio'], 1)} fewer decisions a second",
        "preview_cost.json",
    )
    yield board_answers()
    yield first_day()
    data = figures("campaign_speed.json")
    yield Row("simulated campaigns, one core", f"{data['times_real_time']:.0f} times real time", "campaign_speed.json")


def endurance() -> Iterator[Row]:
    """Yield faults, hostile input and long runs."""
    lines = [line for line in (ROOT / "docs" / "faults.md").read_text("utf-8").splitlines() if line.startswith("| ")]
    kept = sum(line.rstrip().endswith("| kept |") for line in lines)
    yield Row(
        f"{len(lines) - 1} faults injected into the running daemon, kills at random moments among them",
        f"promise kept: {kept} of {len(lines) - 1}",
        "faults.md",
        "in the file",
    )
    runs = figures("fuzz-link.json")["runs"]
    failures = sum(len(run["failures"]) for run in runs)
    read = sum(run["bytes_read"] for run in runs)
    yield Row(
        f"hostile bytes and values on the link, {len(runs)} runs",
        f"{read / 1e6:.0f} MB, {failures} failures",
        "fuzz-link.json",
    )
    data = figures("soak-simulated.json")
    growth = data["growth_per_simulated_hour"]
    yield Row(
        f"{data['simulated_hours']:.0f} simulated hours",
        f"memory {growth['resident_mb']:+.1f} MB an hour, {growth['descriptors']:+.2f} open files an hour",
        "soak-simulated.json",
    )
    data = figures("soak.json")
    yield Row(
        f"the whole daemon, {data['minutes']:.0f} minutes",
        f"memory {data['memory_slope_mb_per_hour']:+.2f} MB an hour (standard error "
        f"{data['memory_slope_standard_error']:.2f}), {data['targets_per_second']:.1f} targets a second",
        "soak.json",
    )
    data = figures("estimator_resets.json")
    yield Row(
        f"resets of the estimator told falsely in {data['hard_flight_s'] / 60:.0f} minutes of hard flying",
        "; ".join(f"{rate} poses: {count}" for rate, count in data["false_resets"].items()),
        "estimator_resets.json",
    )
    refused = figures("picture_checks.json")["refused"]
    yield Row(
        "pictures refused", "; ".join(f"{kind}: {share}" for kind, share in refused.items()), "picture_checks.json"
    )
    yield poor_pictures()
    yield standin()


def poor_pictures() -> Row:
    """Return what the network would answer in fog and without colour."""
    data = figures("poor_pictures.json")
    words = [
        f"{kind}: {row['refused']} refused; people found {share(row['people found'])}, "
        f"{100 * row['hazards called landable']:.0f} % of hazards called landable"
        for kind, row in data["kinds"].items()
    ]
    return Row(f"{data['pictures']} val pictures, `{data['model']}`", "; ".join(words), "poor_pictures.json")


def standin() -> Row:
    """Return the comparison of our stand-in autopilot with recorded landings."""
    flights = figures("standin-vs-flights.json")
    landed = [flight for flight in flights if flight["verdict_real"] != "runaway"]
    same = sum(flight["verdict_real"] == flight["verdict_ours"] for flight in flights)
    apart = [flight["touchdown_difference_m"] for flight in landed]
    profile = [flight["profile_rms_m"] for flight in landed if flight["profile_rms_m"] is not None]
    return Row(
        f"the stand-in autopilot against {len(flights)} recorded landings of ArduCopter",
        f"same verdict in {same}; without {len(flights) - len(landed)} runaways it touches down "
        f"{statistics.median(apart):.2f} m away in the median, {max(apart):.2f} m at most; heights differ by "
        f"{statistics.median(profile):.2f} m",
        "standin-vs-flights.json",
    )


HEAD_OF_TABLE = ("what", "result", "day, commit", "raw")


def page() -> str:
    """Return the whole page."""

    def rows(found: Iterator[Row]) -> str:
        return table(HEAD_OF_TABLE, [row.cells() for row in found])

    parts = [
        HEAD,
        "## Simulated landings\n\n" + rows(simulated()),
        "## Landings on the autopilots' own simulators\n\nThe real firmware flies. But for the rows of the "
        "network the camera is perfect: this measures the way from a site to the ground.\n\n" + autopilots(),
        "## Real photographs\n\n" + rows(photographs()),
        "## Speed\n\nThe machine and its load are in each file; ratios hold better than times.\n\n" + rows(speed()),
        "## Faults and endurance\n\n" + rows(endurance()),
        "## Not measured\n\n" + NOT_MEASURED,
        END,
    ]
    return "\n".join(parts)


NOT_MEASURED = """- A flight in the open, with any vehicle.
- A TensorRT engine: none has been executed yet ([what is known](../benchmarks/results/tensorrt.md)).
- Any board but x86-64 servers: [one table of boards](boards.md) says what has run, and how to send in yours.
"""


def main() -> int:
    """Write the page, or compare it."""
    return write_or_compare(PAGE, page())


if __name__ == "__main__":
    raise SystemExit(main())
