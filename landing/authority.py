"""What we may ask of the autopilot when a landing goes wrong, beside the director.

    READY -> GUARD -> HOLD -> (CLIMB -> SEARCH)... -> RESUME -> GUARD,  with ANNOUNCE, APPROACH,
    HAND_BACK, and ENDED

`guard` accompanies a landing that the pilot ordered on a site that we follow. When somebody comes
to that site it stops the vehicle at once; when the site or the evidence is missing for `grace_s`,
then. It waits, climbs, searches again, and lands again on a confirmed site, a bounded number of
times; above a site that is another one it flies first. `land` may also begin: from a mode that the
pilot chose in the air, said beforehand.

The pilot's word ends it: a mode that we did not ask for or a stick that moves, and from then on
nothing is commanded until `rearm`. So do a refusal, an unanswered command and a lost link while a
command of ours is in force. A vehicle is then left as it is, and the text says how that is.

Why low down less is done: below `commit_height_m` the camera sees less than the site, the landing
stands on what was seen from above, and to stop there for a dip of the evidence would be the larger
risk. A person or a vehicle that is seen is another thing: it stops the vehicle down to
`floor_height_m`, and because nobody should have propellers at head height beside them, the
vehicle does not wait lower than `clear_height_m` but climbs to it straight away. Up is where it
came from, so the way is known to be free, and for the same reason it climbs no higher than where
the landing began. Below the floor no frame is used, so nothing new can be known, and the ground
is reached, and the propellers stand still, before a person crosses the clearance.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

from landing.command import AnswerKind, CommandAnswer, CommandRequest, FlightCommand, FlyTo, Hold
from landing.command import Land as LandCommand
from landing.director import DirectorOutput
from landing.pilot import PilotWatch
from landing.settings import AuthorityLevel, AuthoritySettings
from landing.types import Pose
from landing.vehicle import FLIGHT_MODES, FlightModes, VehicleStatus

FOLLOWED_NS = 5_000_000_000
"""A landing ordered this soon after a site was followed is a landing on that site."""

FRESH_MODE_NS = 1_500_000_000
"""Nothing is commanded on an older report of the mode: it may be the pilot's by now."""

MODE_WITHIN_NS = 3_000_000_000
"""An accepted change of mode must be reported within."""

POSE_FRESH_NS = 1_000_000_000
ARRIVED_M = 0.7
NEAR_SITE_M = 2.0
"""From within this distance LAND finds the site by its targets; ArduPilot descends only here."""

MOVED_M = 1.0
OUT_OF_VIEW_S = 3.0
SLOWEST_MPS = 0.3
"""A climb or approach slower than this on average has failed."""

STARTING_S = 10.0


class AuthorityState(str, Enum):
    """What we do with our authority."""

    OFF = "off"
    READY = "ready"
    ANNOUNCE = "announce"
    GUARD = "guard"
    HOLD = "hold"
    CLIMB = "climb"
    SEARCH = "search"
    APPROACH = "approach"
    RESUME = "resume"
    HAND_BACK = "hand-back"
    ENDED = "ended"


IN_THE_AIR = (
    AuthorityState.HOLD, AuthorityState.CLIMB, AuthorityState.SEARCH, AuthorityState.APPROACH,
)  # fmt: skip
"""States in which the vehicle stays up on our word, so that together they must end."""


@dataclass(frozen=True)
class AuthorityInput:
    """Everything one step looks at.

    Attributes:
        now_ns: Monotonic time of the step.
        output: The director's, of the same step.
        pose: The newest, or None.
        vehicle: As last reported by the autopilot.
        answers: To our requests, since the step before.
    """

    now_ns: int
    output: DirectorOutput
    pose: Pose | None
    vehicle: VehicleStatus
    answers: tuple[CommandAnswer, ...] = ()


@dataclass(frozen=True)
class AuthorityTransition:
    """One change of state, said once."""

    from_state: AuthorityState
    to_state: AuthorityState
    reason: str
    at_ns: int


@dataclass(frozen=True)
class AuthorityOutput:
    """What a step leads to.

    Attributes:
        state: After the step.
        reason: Why it is in that state.
        request: To be sent now, and again until it is answered; or None.
        withdrawn: What was asked before is not to be asked again.
        transitions: Changes of state in this step, in order.
    """

    state: AuthorityState
    reason: str
    request: CommandRequest | None
    withdrawn: bool
    transitions: tuple[AuthorityTransition, ...]


@dataclass
class _Pending:
    """A request that is not yet known to be done."""

    number: int
    sent_ns: int
    mode: str
    changes_mode: bool
    accepted_ns: int | None = None


@dataclass
class _Landing:
    """What is remembered over one landing."""

    expected_modes: frozenset[str] = frozenset()
    top_m: float | None = None
    touched_ns: int | None = None
    resumes: int = 0
    searches: int = 0
    pending: _Pending | None = None
    entered_ns: int = 0
    destination_ned_m: tuple[float, float, float] | None = None
    deadline_ns: int = 0


@dataclass
class _Seen:
    """What the evidence says, kept from step to step."""

    site_ned_m: tuple[float, float, float] | None = None
    position_ned_m: tuple[float, float, float] | None = None
    height_m: float | None = None
    followed_ns: int | None = None
    steady_since_ns: int | None = None
    missing_since_ns: int | None = None
    intruded_ns: int | None = None
    mode: str = ""
    ordered: bool = False


class Authority:
    """Steps the state machine. One owner; not shared between threads.

    Args:
        settings: What is allowed.
        commit_height_m: The director's: below it only a person or vehicle stops a landing.
    """

    def __init__(self, settings: AuthoritySettings, commit_height_m: float) -> None:
        self._settings = settings
        self._commit_height_m = commit_height_m
        off = settings.level is AuthorityLevel.ADVISE
        self._state = AuthorityState.OFF if off else AuthorityState.READY
        self._reason = "advise" if off else "waits for a landing"
        self._pilot = PilotWatch(settings.stick_dead_zone)
        self._seen = _Seen()
        self._landing = _Landing()
        self._number = 0
        self._request: CommandRequest | None = None
        self._transitions: list[AuthorityTransition] = []

    @property
    def state(self) -> AuthorityState:
        """The present state."""
        return self._state

    def step(self, inputs: AuthorityInput) -> AuthorityOutput:
        """Looks at the newest evidence and says what to command now."""
        self._request, self._transitions = None, []
        if self._state is not AuthorityState.OFF:
            self._step(inputs)
        idle = self._state in (AuthorityState.READY, AuthorityState.ENDED)
        withdrawn = idle and bool(self._transitions)
        return AuthorityOutput(
            self._state, self._reason, self._request, withdrawn, tuple(self._transitions)
        )

    def _step(self, inputs: AuthorityInput) -> None:
        vehicle, now_ns = inputs.vehicle, inputs.now_ns
        if self._state is AuthorityState.ENDED:
            if self._settings.rearm == "on_disarm" and vehicle.link_alive and not vehicle.armed:
                self._rest(now_ns, "disarmed: armed again")
            return
        if not vehicle.link_alive:
            self._stand_down(now_ns, "no heartbeat from the autopilot")
            return
        modes = FLIGHT_MODES.get(vehicle.autopilot)
        if not vehicle.armed or vehicle.airborne is False or modes is None:
            self._seen = _Seen(mode=vehicle.mode)
            if self._state is not AuthorityState.READY:
                self._rest(now_ns, "on the ground")
            return
        self._look(inputs)
        if self._state is AuthorityState.READY:
            self._begin(inputs, modes)
        if self._state is AuthorityState.READY:
            return
        word = self._pilot.word(vehicle, self._landing.expected_modes, now_ns)
        if word is not None:
            self._end(now_ns, f"the pilot has it: {word}")
            return
        if vehicle.failsafe:
            self._stand_down(now_ns, "the autopilot's own failsafe is in force")
            return
        if not self._settled(inputs, modes):
            return
        self._act(inputs, modes)

    # --- what is seen ---

    def _look(self, inputs: AuthorityInput) -> None:
        seen, now_ns, target = self._seen, inputs.now_ns, inputs.output.target
        if target is not None:
            seen.site_ned_m, seen.followed_ns = target.position_ned_m, now_ns
            seen.steady_since_ns = seen.steady_since_ns or now_ns
            seen.missing_since_ns = None
        else:
            seen.steady_since_ns = None
            seen.missing_since_ns = seen.missing_since_ns or now_ns
        if inputs.output.intruder is not None:
            seen.intruded_ns = now_ns
        pose = inputs.pose
        if pose is None or now_ns - pose.at_ns > POSE_FRESH_NS:
            seen.position_ned_m = None  # the height stays: low is low, also when blind
            return
        seen.position_ned_m = pose.position_ned_m
        if pose.position_ned_m is not None and seen.site_ned_m is not None:
            seen.height_m = seen.site_ned_m[2] - pose.position_ned_m[2]
        elif pose.height_agl_m is not None:
            seen.height_m = pose.height_agl_m

    def _steady(self, now_ns: int, for_s: float) -> bool:
        since_ns = self._seen.steady_since_ns
        return since_ns is not None and now_ns - since_ns >= for_s * 1e9

    def _missing(self, now_ns: int, more_s: float = 0.0) -> bool:
        since_ns, limit_s = self._seen.missing_since_ns, self._settings.grace_s + more_s
        return since_ns is not None and now_ns - since_ns >= limit_s * 1e9

    def _calm(self, now_ns: int) -> bool:
        """Whether the site may be landed on again: sent for long enough, and nobody about."""
        settings, seen = self._settings, self._seen
        last_ns = seen.intruded_ns
        quiet = last_ns is None or now_ns - last_ns >= settings.calm_s * 1e9
        return quiet and self._steady(now_ns, settings.steady_s)

    def _distance_m(self) -> float:
        """Horizontally to the site; infinite while either is unknown."""
        here, site = self._seen.position_ned_m, self._seen.site_ned_m
        return math.inf if here is None or site is None else math.dist(here[:2], site[:2])

    # --- how it begins ---

    def _begin(self, inputs: AuthorityInput, modes: FlightModes) -> None:
        seen, vehicle, now_ns = self._seen, inputs.vehicle, inputs.now_ns
        before, seen.mode = seen.mode, vehicle.mode
        if vehicle.mode != before:
            # A take-off in GUIDED is no order to land: the mode must be entered in the air.
            seen.ordered = before != "" and vehicle.mode in self._settings.start_modes
        if vehicle.failsafe:
            return
        followed = seen.followed_ns is not None and now_ns - seen.followed_ns <= FOLLOWED_NS
        down = vehicle.mode in modes.land or (vehicle.mode in modes.home and vehicle.touching_down)
        if down and followed:
            expected = modes.land if vehicle.mode in modes.land else (vehicle.mode,)
            self._engage(AuthorityState.GUARD, frozenset(expected), now_ns, "landing on the site")
        elif self._settings.level is AuthorityLevel.LAND and seen.ordered:
            high = seen.height_m is not None and seen.height_m >= self._settings.start_height_m
            if high and seen.steady_since_ns is not None:
                words = f"flies to the site in {self._settings.announce_s:g} s"
                self._engage(AuthorityState.ANNOUNCE, frozenset({vehicle.mode}), now_ns, words)

    def _engage(
        self, state: AuthorityState, expected: frozenset[str], now_ns: int, why: str
    ) -> None:
        self._landing = _Landing(expected_modes=expected, top_m=self._seen.height_m)
        self._pilot.begin(now_ns)
        self._enter(state, why, now_ns)

    # --- what is done ---

    def _act(self, inputs: AuthorityInput, modes: FlightModes) -> None:
        now_ns, state, landing = inputs.now_ns, self._state, self._landing
        touched_ns = landing.touched_ns
        waiting = state in IN_THE_AIR
        limit_s = self._settings.max_total_s
        if waiting and touched_ns is not None and now_ns - touched_ns > limit_s * 1e9:
            self._spent(inputs, modes, f"{limit_s:g} s are over")
            return
        if state is AuthorityState.ANNOUNCE:
            self._announce(inputs, modes)
        elif state is AuthorityState.GUARD:
            self._guard(inputs, modes)
        elif state is AuthorityState.HOLD:
            self._wait(inputs, modes)
        elif state is AuthorityState.CLIMB:
            self._climbing(inputs, modes)
        elif state is AuthorityState.SEARCH:
            self._search(inputs, modes)
        elif state is AuthorityState.APPROACH:
            self._approach(inputs, modes)
        elif state is AuthorityState.RESUME:
            landing.expected_modes = frozenset(modes.land)
            self._enter(AuthorityState.GUARD, "landing again", now_ns)
            self._guard(inputs, modes)
        elif state is AuthorityState.HAND_BACK:
            self._end(now_ns, "lands without us")

    def _announce(self, inputs: AuthorityInput, modes: FlightModes) -> None:
        if inputs.output.target is None:
            self._enter(AuthorityState.READY, inputs.output.reason, inputs.now_ns)
        elif self._passed(inputs.now_ns, self._settings.announce_s) and not self._pilot.settling:
            if inputs.vehicle.mode == modes.hold:
                self._go_on(inputs, modes)
            else:
                self._stop(inputs, modes, "leaves the way home for the site")

    def _guard(self, inputs: AuthorityInput, modes: FlightModes) -> None:
        settings, height_m = self._settings, self._seen.height_m
        if self._pilot.settling or (height_m is not None and height_m < settings.floor_height_m):
            return
        if inputs.output.intruder is not None:
            self._stop(inputs, modes, inputs.output.intruder.text)
            return
        committed = height_m is not None and height_m <= self._commit_height_m
        if not committed and self._missing(inputs.now_ns):
            self._stop(inputs, modes, inputs.output.reason)

    def _wait(self, inputs: AuthorityInput, modes: FlightModes) -> None:
        height_m, now_ns = self._seen.height_m, inputs.now_ns
        if height_m is not None and height_m < self._settings.clear_height_m - ARRIVED_M:
            self._climb(inputs, modes, self._settings.clear_height_m)
        elif self._calm(now_ns):
            self._go_on(inputs, modes)
        elif self._passed(now_ns, self._settings.wait_s):
            self._search_higher(inputs, modes)

    def _climbing(self, inputs: AuthorityInput, modes: FlightModes) -> None:
        now_ns, height_m = inputs.now_ns, self._seen.height_m
        to, landing = self._landing.destination_ned_m, self._landing
        here = self._seen.position_ned_m
        clear = height_m is not None and height_m >= self._settings.clear_height_m - ARRIVED_M
        if clear and self._calm(now_ns):
            self._go_on(inputs, modes)
        elif here is not None and to is not None and here[2] - to[2] <= ARRIVED_M:
            self._enter(AuthorityState.SEARCH, f"searches from {height_m or 0:.0f} m", now_ns)
        elif now_ns > landing.deadline_ns:
            self._spent(inputs, modes, "the climb does not end")

    def _search(self, inputs: AuthorityInput, modes: FlightModes) -> None:
        if self._calm(inputs.now_ns):
            self._go_on(inputs, modes)
        elif self._passed(inputs.now_ns, self._settings.search_s):
            self._search_higher(inputs, modes)

    def _approach(self, inputs: AuthorityInput, modes: FlightModes) -> None:
        landing, now_ns, site = self._landing, inputs.now_ns, self._seen.site_ned_m
        # Out of view for a while is no harm here: the vehicle does not go down.
        if inputs.output.intruder is not None or self._missing(now_ns, OUT_OF_VIEW_S):
            self._stop(inputs, modes, inputs.output.reason)
        elif self._distance_m() <= NEAR_SITE_M / 2 and self._steady(now_ns, 0.0):
            self._land(inputs, modes)
        elif now_ns > landing.deadline_ns:
            self._spent(inputs, modes, "the site is not reached")
        else:
            to = landing.destination_ned_m
            if site is not None and to is not None and math.dist(to[:2], site[:2]) > MOVED_M:
                self._fly_to_site(inputs, modes)

    # --- the steps ---

    def _stop(self, inputs: AuthorityInput, modes: FlightModes, why: str) -> None:
        """Holds: by the mode, or, where that mode is flying us somewhere, by a target right here.

        The same mode again would change nothing, and the vehicle would fly on.
        """
        here = self._seen.position_ned_m
        flying = self._state in (AuthorityState.APPROACH, AuthorityState.CLIMB)
        command: FlightCommand = FlyTo(here) if flying and here is not None else Hold()
        if self._issue(inputs, command, modes.hold):
            if self._landing.touched_ns is None:
                self._landing.touched_ns = inputs.now_ns
            self._seen.steady_since_ns = None
            self._enter(AuthorityState.HOLD, why, inputs.now_ns)

    def _search_higher(self, inputs: AuthorityInput, modes: FlightModes) -> None:
        settings, height_m = self._settings, self._seen.height_m
        if self._landing.searches >= settings.max_tries:
            self._spent(inputs, modes, f"no site in {settings.max_tries} searches")
            return
        top_m = settings.ceiling_m if self._landing.top_m is None else self._landing.top_m
        highest_m = max(min(settings.ceiling_m, top_m), settings.clear_height_m)
        if height_m is not None and height_m + 1.0 > highest_m:
            self._enter(AuthorityState.SEARCH, "searches on", inputs.now_ns)
            self._landing.searches += 1
        elif self._climb(inputs, modes, min((height_m or 0.0) + settings.climb_m, highest_m)):
            self._landing.searches += 1

    def _climb(self, inputs: AuthorityInput, modes: FlightModes, height_m: float) -> bool:
        here, now_m = self._seen.position_ned_m, self._seen.height_m
        if here is None or now_m is None:
            if self._passed(inputs.now_ns, self._settings.wait_s + self._settings.search_s):
                self._spent(inputs, modes, "the position is not known")
            return False
        up_m = height_m - now_m
        to = (here[0], here[1], here[2] - up_m)
        if not self._issue(inputs, FlyTo(to), modes.hold):
            return False
        self._travel(to, up_m, inputs.now_ns)
        self._enter(AuthorityState.CLIMB, f"climbs to {height_m:.0f} m", inputs.now_ns)
        return True

    def _go_on(self, inputs: AuthorityInput, modes: FlightModes) -> None:
        """To the confirmed site: there first, then down, so that the camera sees it all the way.

        ArduPilot would fly there in LAND as well, but slowly and with the site out of view.
        """
        if self._landing.resumes >= self._settings.max_tries:
            self._spent(inputs, modes, f"{self._settings.max_tries} tries did not end well")
        elif self._distance_m() > NEAR_SITE_M:
            self._fly_to_site(inputs, modes)
        else:
            self._land(inputs, modes)

    def _fly_to_site(self, inputs: AuthorityInput, modes: FlightModes) -> None:
        """At the present height, which is free: no sensor of ours looks sideways."""
        here, site = self._seen.position_ned_m, self._seen.site_ned_m
        if here is None or site is None:
            return
        to = (site[0], site[1], here[2])
        if self._issue(inputs, FlyTo(to), modes.hold):
            self._touch(inputs.now_ns)
            self._travel(to, self._distance_m(), inputs.now_ns)
            words = f"flies {self._distance_m():.0f} m to the site"
            self._enter(AuthorityState.APPROACH, words, inputs.now_ns)

    def _land(self, inputs: AuthorityInput, modes: FlightModes) -> None:
        if self._issue(inputs, LandCommand(), modes.land[0]):
            self._touch(inputs.now_ns)
            self._landing.resumes += 1
            self._enter(AuthorityState.RESUME, "site confirmed: lands", inputs.now_ns)

    def _spent(self, inputs: AuthorityInput, modes: FlightModes, why: str) -> None:
        """Hands back: the vehicle stays where it is for the pilot, or lands as if alone."""
        alone = self._settings.when_spent == "land" and inputs.output.intruder is None
        if not alone:
            self._end(inputs.now_ns, f"{why}; holds in {inputs.vehicle.mode}, take over")
        elif self._issue(inputs, LandCommand(), modes.land[0]):
            self._enter(AuthorityState.HAND_BACK, f"{why}; lands straight down", inputs.now_ns)

    def _touch(self, now_ns: int) -> None:
        if self._landing.touched_ns is None:
            self._landing.touched_ns = now_ns

    def _travel(self, to: tuple[float, float, float], way_m: float, now_ns: int) -> None:
        self._landing.destination_ned_m = to
        self._landing.deadline_ns = now_ns + round((STARTING_S + way_m / SLOWEST_MPS) * 1e9)

    # --- commands and their answers ---

    def _issue(self, inputs: AuthorityInput, command: FlightCommand, mode: str) -> bool:
        """Asks, unless what we know of the mode is too old to ask on."""
        vehicle, now_ns = inputs.vehicle, inputs.now_ns
        heard_ns = vehicle.heartbeat_ns
        if heard_ns is not None and now_ns - heard_ns > FRESH_MODE_NS:
            return False
        self._number += 1
        self._request = CommandRequest(self._number, command)
        self._landing.pending = _Pending(self._number, now_ns, mode, vehicle.mode != mode)
        # The mode before stays possible until this one is reported: an older request may only
        # now be carried out.
        self._landing.expected_modes |= {mode}
        return True

    def _settled(self, inputs: AuthorityInput, modes: FlightModes) -> bool:
        """Whether the last command is done; ends everything when it will not be."""
        pending, now_ns, vehicle = self._landing.pending, inputs.now_ns, inputs.vehicle
        if pending is None:
            return True
        told_ns = vehicle.heartbeat_ns
        told = told_ns is None or told_ns > pending.sent_ns
        reached = vehicle.mode == pending.mode and told
        for answer in inputs.answers:
            if answer.number != pending.number:
                continue
            if answer.kind is AnswerKind.ACCEPTED:
                pending.accepted_ns = now_ns
            elif not (reached and pending.changes_mode):
                words = f"{self._state.value} {answer.kind.value}: {answer.detail}"
                self._end(now_ns, f"{words}; the vehicle is in {vehicle.mode}, take over")
                return False
        accepted_ns = pending.accepted_ns
        if reached and (accepted_ns is not None or pending.changes_mode):
            self._landing.pending = None
            self._landing.expected_modes = frozenset({pending.mode})
            self._landing.entered_ns = now_ns
            return True
        if accepted_ns is not None and now_ns - accepted_ns > MODE_WITHIN_NS:
            self._end(now_ns, f"{pending.mode} accepted, but the mode is {vehicle.mode}; take over")
        elif self._state is AuthorityState.RESUME and inputs.output.intruder is not None:
            self._stop(inputs, modes, inputs.output.intruder.text)
        return False

    # --- states ---

    def _passed(self, now_ns: int, seconds: float) -> bool:
        return now_ns - self._landing.entered_ns >= seconds * 1e9

    def _rest(self, now_ns: int, why: str) -> None:
        self._landing = _Landing()
        self._enter(AuthorityState.READY, why, now_ns)

    def _stand_down(self, now_ns: int, why: str) -> None:
        """Back to waiting while nothing of ours is in force; the end of it otherwise."""
        untouched = self._landing.touched_ns is None and self._landing.pending is None
        if self._state is AuthorityState.READY:
            return
        if untouched:
            self._rest(now_ns, why)
        else:
            self._end(now_ns, why)

    def _end(self, now_ns: int, why: str) -> None:
        """No command from here on."""
        self._request = None
        self._landing = _Landing()
        self._enter(AuthorityState.ENDED, why, now_ns)

    def _enter(self, state: AuthorityState, reason: str, at_ns: int) -> None:
        if state is not self._state:
            self._transitions.append(AuthorityTransition(self._state, state, reason, at_ns))
            self._state = state
        self._reason = reason
        self._landing.entered_ns = at_ns
