"""The safety case of one configuration with one model."""

from __future__ import annotations

from dataclasses import dataclass

from edge.resolved import ResolvedFlight
from landing.distribution import VERSION
from landing.ground.scale import axis_down, metres_down
from landing.model.artefact import GateReport
from landing.model.operating import describe
from landing.model.spec import ModelSpec
from landing.taxonomy import HAZARD_ROLES, Role
from touchdown.safety.claims import Figure, SafetyClaim, SafetyClaims
from touchdown.safety.document import SafetyDocument

SORA = (
    "https://www.easa.europa.eu/en/document-library/easy-access-rules/online-publications/"
    "easy-access-rules-unmanned-aircraft-systems?erules-id=ERULES-1963177438-24086"
)
ANNEX_B = SORA.replace("24086", "24081")
F3269 = "https://www.astm.org/Standards/F3269.htm"
NPA = "https://www.easa.europa.eu/en/document-library/notices-of-proposed-amendment/npa-2025-07"


@dataclass(frozen=True)
class Case:
    """Everything that a safety case is made from.

    Attributes:
        flight: Settings that fly.
        spec: Of the model.
        gate: Report of `export verify` in the model's file.
        model_sha256: Of its file.
        configuration: Name of the configuration, for people.
        shipped: It is the shipped example, which is no one's: its version and digest say nothing.
        links: Put in front of paths of the repository.
    """

    flight: ResolvedFlight
    spec: ModelSpec
    gate: GateReport | None
    model_sha256: str
    configuration: str
    shipped: bool
    claims: SafetyClaims
    figures: dict[str, Figure]
    links: str

    def document(self) -> SafetyDocument:
        """Return the whole document."""
        out = SafetyDocument()
        out.heading(f"Safety case: {self.spec.name}, {self.configuration}", 1)
        written = "" if self.shipped else f" {VERSION}"
        settings = "" if self.shipped else f" (settings in force `{self.flight.digest}`)"
        out.paragraph(
            f"Written by `touchdown safety-case`{written} for a reviewer of an operation, from the data of the "
            "model (SHA-256 "
            f"`{self.model_sha256}`) and of the configuration{settings}. It is evidence, and no approval: "
            "Touchdown is not "
            "certified for anything, it helps a pilot and does not replace one. The operator judges the operation."
        )
        for part in (self._domain, self._hazards, self._claims, self._monitors, self._perception):
            part(out)
        for part in (self._sora, self._risk, self._sources):
            part(out)
        return out

    def _link(self, path: str, shown: str = "") -> str:
        return f"[`{shown or path}`]({self.links}{path})"

    def _said(self, text: str) -> str:
        return text.format_map(self.figures)

    def _domain(self, out: SafetyDocument) -> None:
        out.heading("Operating domain")
        out.paragraph("What is outside this table is outside the case.")
        out.table(["what", "limit", "from"], [*self._heights(), *self._conditions()])

    def _heights(self) -> list[list[str]]:
        flight, decision = self.flight, self.flight.decision
        scale, down = flight.scale(flight.camera), axis_down(flight.camera)
        ceiling = f"{decision.max_height_m:g} m (configured); the model does not say its range"
        if scale is not None:
            low_m, high_m = scale.heights_m(down)
            most = metres_down(min(high_m, decision.max_height_m))
            ceiling = f"{most} m; nearer than {low_m:.1f} m the picture is finer than in training, which is noted"
        return [
            ["height above ground, at most", ceiling, "model and configuration"],
            [
                "height above ground, at least",
                f"{decision.view.min_height_m:g} m to judge the ground, {decision.view.watch_height_m:g} m to "
                "see people; "
                f"below {decision.commit_height_m:g} m the site stays unless a hazard enters it",
                "configuration",
            ],
            [
                "camera",
                f"{flight.camera.hfov_deg:.0f} degrees wide, at most {decision.view.max_tilt_deg:g} degrees of "
                "tilt; ground "
                f"seen flatter than {decision.view.max_angle_deg:g} degrees is not used",
                "configuration",
            ],
            [
                "vehicle",
                f"radius {decision.vehicle_radius_m:g} m and {decision.margin_m:g} m of margin; sites up to "
                f"{decision.max_distance_m:g} m away",
                "configuration",
            ],
            ["authority", f"`{flight.authority.level.value}`", "configuration"],
        ]

    def _conditions(self) -> list[list[str]]:
        picture, classes = self.flight.picture, self.flight.classes
        landable = [c.name for c in classes.classes if c.role is Role.LANDABLE]
        clear = ", ".join(f"{role.value} {classes.clearance_of(role):g} m" for role in HAZARD_ROLES)
        return [
            [
                "light",
                f"mean grey {picture.least_brightness:g} to {picture.most_brightness:g} of 255, contrast and "
                "sharpness as "
                "configured; a picture outside is refused. Simulated by day, with a low sun, at dusk and over "
                "snow; night, "
                "rain and fog were not tested",
                "configuration",
            ],
            [
                "wind",
                f"the software sets no limit: the vehicle's own. Flown on ArduCopter's simulator up to "
                f"{self.figures['wind_flown_mps']} m/s with gusts",
                self._link(self.figures["wind_flown_mps"].file),
            ],
            [
                "ground",
                f"flat, of a kind that trained the model ({self.spec.provenance.trained_on or 'not said'}). Landable: "
                f"{', '.join(landable)}. Slope is not measured",
                "model",
            ],
            [
                "people",
                f"single people and groups who can be kept clear of; clearances beyond the vehicle: {clear}. No "
                "density is "
                "measured; not for assemblies of people. A crowd that is seen leaves no site",
                "model",
            ],
            [
                "height source",
                "a rangefinder or an estimate of the height above ground; without one there is no site",
                "code",
            ],
        ]

    def _hazards(self, out: SafetyDocument) -> None:
        out.heading("Hazards and mitigations")
        rows = [[h.hazard, h.cause, ", ".join(h.claims), self._said(h.residual)] for h in self.claims.hazards]
        out.table(["hazard", "cause", "mitigated by", "what remains"], rows)

    def _claims(self, out: SafetyDocument) -> None:
        out.heading("Claims and their evidence")
        out.paragraph(
            "Each claim names its tests, its code and what was measured. The build fails when one of them is gone."
        )
        out.table(["claim", "", "tests", "code", "measured"], [self._row(claim) for claim in self.claims.claims])

    def _row(self, claim: SafetyClaim) -> list[str]:
        tests = [self._link(node.partition("::")[0], node.removeprefix("tests/")) for node in claim.tests]
        code = [self._link(f"{name.partition(':')[0].replace('.', '/')}.py", name) for name in claim.code]
        results = [self._link(path) for path in claim.results]
        return [claim.id, claim.text, "<br>".join(tests), "<br>".join(code), "<br>".join(results) or "by test alone"]

    def _monitors(self, out: SafetyDocument) -> None:
        out.heading("Run-time monitors")
        out.paragraph(
            f"[ASTM F3269-21]({F3269}) describes how a function that is not assured by design, here the network, is "
            "bounded at run time by monitors and a recovery function, and asks how well monitors cover. Here "
            "the recovery "
            "is to send no target: the autopilot then does what it would do without Touchdown, or under `guard` holds. "
            "Conformity with the practice is not claimed. Coverage is given as far as it was measured."
        )
        rows = [[m.name, m.watches, m.does, ", ".join(m.claims), self._said(m.measured)] for m in self.claims.monitors]
        out.table(["monitor", "watches", "then", "claims", "measured coverage"], rows)

    def _perception(self, out: SafetyDocument) -> None:
        out.heading("Perception: data and their limits")
        out.paragraph(
            f"The questions are those of learning assurance in [EASA NPA 2025-07]({NPA}), a proposal. These are "
            "answers, "
            "and no compliance."
        )
        out.table(["question", "answer"], self._answers())

    def _answers(self) -> list[list[str]]:
        spec, known = self.spec, self.spec.ground_range
        point, curve = spec.operating, spec.site_confidence
        metrics = ", ".join(f"{name} {value:.3f}" for name, value in sorted(spec.provenance.metrics.items()))
        rows = [
            ["Which data trained it?", spec.provenance.trained_on or "not said"],
            ["Under which terms?", spec.provenance.licence or "not said"],
            [
                "For which range?",
                "not said" if known is None else f"{known.describe()} of ground a pixel; {known.source}",
            ],
            ["Which data chose its thresholds?", "none" if point is None else point.chosen_on],
            ["Which thresholds fly?", describe(self.flight.thresholds)],
            ["Which targets were not met?", "; ".join(point.unmet) if point and point.unmet else "none is recorded"],
            ["How good is it on its own val and test parts?", metrics or "not said"],
            ["Does it know how sure it is?", "no" if curve is None else curve.describe()],
            [
                "Was the file held against its checkpoint?",
                "not recorded" if self.gate is None else self.gate.describe(),
            ],
        ]
        own = {name: figure for name, figure in self.figures.items() if figure.model == spec.name}
        words = {
            "test_sites": "chosen sites that hold a hazard: test part of unseen scenes, a sister of the file",
            "test_abstain": "no site although the labels have room, the same",
            "test_person": "pixels of people found as it flies, the same",
            "places_low": "places without an unsafe site, photographs up to 60 m",
            "places_high": "places without an unsafe site, photographs above 60 m, from above its range",
        }
        rows += [[words[name], f"{own[name]}; {self._link(own[name].file)}"] for name in words if name in own]
        rows.append(["Is it complete and representative for your ground?", "not shown: judge it on your own footage"])
        return rows

    def _sora(self, out: SafetyDocument) -> None:
        out.heading("In terms of SORA 2.5")
        out.paragraph(
            f"EASA's acceptable means of compliance take over [JARUS SORA 2.5]({SORA}) (ED Decision 2025/018/R); "
            f"[Annex B]({ANNEX_B}) has the criteria of its mitigations."
        )
        rows = [
            [
                "M1(C), ground observation",
                "may support it: the landing ground is observed on board, and people who are seen are kept "
                "clear of. At "
                "most one class. The operator shows the criteria of integrity and assurance for the operation",
            ],
            ["M1(A) sheltering, M1(B) operational restrictions", "nothing is claimed"],
            ["M2, effects of impact", "**never claimed**: Touchdown changes nothing about an impact"],
            ["air risk, containment, C2 link", "nothing is claimed"],
            ["operational safety objectives", "nothing is claimed; the tables above may serve as evidence"],
        ]
        out.table(["mitigation", "what is claimed"], rows)

    def _risk(self, out: SafetyDocument) -> None:
        figures = self.figures
        ours, straight, beside = (figures[f"unsafe_{n}"] for n in ("ours", "straight", "ours_beside"))
        out.heading("Risk against landing straight down")
        same = figures["scenes_ours"].value == figures["scenes_straight"].value
        sets = "the same scenes" if same else "**different scene sets**"
        out.paragraph(
            f"Landings that ended where a site exists and were not safe, in simulation on {sets} "
            f"({figures['scenes_ours']} and {figures['scenes_straight']} scenes), with the measured mistakes of "
            f"the demo network and not with those of `{self.spec.name}`; shares with Wilson's 95 % interval "
            f"({self._link(ours.file)}):"
        )
        rows = [["Touchdown", str(ours)], ["straight down", str(straight)]]
        if not same:
            rows.append([f"Touchdown on the {figures['scenes_straight']} scenes of straight down", str(beside)])
        out.table(["policy", "not safe"], rows)
        bound = f"at least {int(straight.low / ours.high)} times fewer unsafe landings, by the ends of both intervals"
        if not same:
            bound += f"; on the scenes that both flew, at least {int(straight.low / beside.high)} times"
        out.bullets(
            [
                f"Bound: {bound}. It holds for those worlds and that network.",
                f"The price: {figures['abstention']} were given up although there was a site.",
                f"Beside a person: {figures['person_near']} touchdowns within 2 m.",
                f"On ArduCopter's own simulator, with perfect perception: {figures['sitl_landings']} safe; with "
                "a person who "
                f"walks in under `guard`: {figures['sitl_person']} safe, nearest person {figures['sitl_nearest_m']} m.",
                f"The demo network itself, on its own pictures of {figures['network_scenes']} scenes: "
                f"{figures['network_safe']} safe, {figures['network_given_up']} given up. Why landings above were "
                f"not safe: [SAFETY.md]({self.links}SAFETY.md), measured limits.",
                "No flight hours on real vehicles stand behind these figures.",
            ]
        )

    def _sources(self, out: SafetyDocument) -> None:
        out.heading("What is not claimed")
        out.bullets(
            [
                "No approval, no certification, no conformity with ASTM F3269-21, EASA's proposals or SORA.",
                "No safety of an emergency landing without a pilot: under `advise` nothing is commanded.",
                f"Nothing beyond [SAFETY.md]({self.links}SAFETY.md), which says the limits in full.",
            ]
        )
