"""Commands to the autopilot when a landing goes wrong, beside the director.

    READY -> GUARD -> LOOK (-> ASIDE -> LOOK) -> RESUME -> GUARD, down
             GUARD -> HOLD -> (CLIMB or MOVE -> SEARCH)... -> RESUME -> GUARD
    with ANNOUNCE, APPROACH, DESCEND, HAND_BACK, and ENDED

`guard` accompanies a landing on a site that is followed: the pilot's, the last leg of the way home, or a mission's
landing (`landing.guidance.descent`). It is resumed outside of the mission: AUTO would fly to the item's own place
again, and may begin at the first item. A vehicle that goes down beside its site, as in a mode that follows no target,
is stopped and flown there. Somebody at the site stops the vehicle at once; a missing site or missing
evidence stops it after `grace_s`, above `alert_height_m` after `high_grace_s`. The vehicle then waits, climbs,
searches, flies to a confirmed site and lands again, a bounded number of times. `land` may also begin a landing: from a
mode that the pilot chose in the air, announced beforehand.

Once on every way down it stops at `look_height_m` and looks around: in the last metres the picture is narrower than
the clearance. Who is within a walk of `look_s` comes into view meanwhile. Who sets out later, or from farther, may
still arrive unseen.

Where the relief of the site is not known, the director names the end of a short step over ground that was seen clear.
Once in a look around the vehicle flies there at its height and back to where it looked (ASIDE): the picture shows then
what slopes and what stands up. It flies no such step lower than the look around, or farther than `FARTHEST_ASIDE_M`. A
site that comes out uneven stops the landing as a missing one does.

A mode that nobody asked for, a moved stick, or a vehicle that goes where nobody of ours sent it
(`landing.command.stray`: a ground station's "go to here" changes no mode) ends the authority until `rearm`, also in a
flight that a restarted daemon finds itself in. So do a refusal, an unanswered command, and a lost link while a command
of ours is in force. The vehicle is left as it is, and the text says how that is. In a failsafe that would leave it
hovering for nobody: there what came to nothing ends a hold only with the landing.

Above the height from which the network's answer counts a missing site stops nothing: the landing goes on down to where
there can be one. A vehicle that holds or searches up there goes down to it (DESCEND) instead of waiting or climbing.

A place whose ground was no good from near (too small, lost) is told in one text. The next try begins higher by
`climb_m` for each of them, so that the picture is wider. The place itself is tried again only after a whole search that
found nothing else.

Where a search from the greatest height finds nothing the vehicle flies to a place from where other ground is seen, at
that height, and searches there (MOVE): never lower than `over_height_m`, nor farther than `search_radius_m` from where
the landing began.

A site beside is flown to at the present height only over ground that was seen, and where nothing stands. Over anything
else the vehicle climbs to `over_height_m` first, or as high as the landing began; also on its way, where something
comes to light there.

In a failsafe of the autopilot nothing is commanded, unless `failsafe` is "guard": then all of this is done within
`landing.command.failsafe`'s bound, and when that is over it lands. Missing evidence stops nothing there, and bad ground
only where the time for another place is left. A mode that comes in the same heartbeat as the failsafe, that ArduPilot's
geofence began (`firmware_bridge.fence`), or that PX4 itself calls its failsafe's (`firmware_bridge.takeover`), is the
autopilot's own, not the pilot's: the authority stands back, and with "guard" accompanies the landing that follows, be
it the last leg of the way home. Until it is told whether the fence began a mode nothing is commanded.

Below `commit_height_m` the camera sees less than the site, so a dip of the evidence stops nothing. A person or vehicle
that is seen stops the vehicle down to `floor_height_m`; it then climbs to `clear_height_m`, away from heads, and never
above the start of the landing, because that way is known to be free. Below the floor no frame is used, and the ground
is reached before a person crosses the clearance.
"""

from __future__ import annotations

import math

from landing.choice.way import Way
from landing.command.authority_io import AuthorityInput, AuthorityOutput, AuthorityState, AuthorityTransition
from landing.command.failsafe import HoldBound
from landing.command.handshake import CommandHandshake
from landing.command.orders import AnswerKind, FlightCommand, FlyTo, Hold, Land
from landing.command.pilot import PilotWatch
from landing.command.site_status import Position, SiteStatus
from landing.command.stray import StrayWatch
from landing.command.tries import ARRIVED_M, Tries
from landing.estimator import FrameShift
from landing.geometry import heading_of
from landing.guidance.descent import ORDERED_WAYS, SINKS_MPS
from landing.settings import AuthorityLevel, AuthoritySettings
from landing.site import Intruder
from landing.vehicle import FLIGHT_MODES, Autopilot, FlightModes, WayDown

__all__ = ["Authority", "AuthorityInput", "AuthorityOutput", "AuthorityState", "AuthorityTransition"]

NOT_BELOW_M = 2.0
"""Lower than this a look around shows less than what nobody may be in."""

NEAR_SITE_M = 2.0
"""From within this distance LAND finds the site by its targets; ArduPilot descends only here."""

BELOW_PER_HEIGHT = 0.5
"""A site within so much of the height, horizontally, is in the picture of any camera that looks down."""

FARTHEST_ASIDE_M, ASIDE_ARRIVED_M = 5.0, 0.4
"""Longest step to the side that is flown, and distance at which its end is reached."""

BESIDE_M, BESIDE_S = 3.0, 3.0
"""A vehicle that sinks for so long, farther than this from its site, is not led there."""

MOVED_M = 1.0
DISPLACED_M = 0.3
"""A flight whose place has so much other coordinates by now, as the local frame has moved, is asked for again."""

OUT_OF_VIEW_S = 3.0
SLOWEST_MPS = 0.3
"""A climb or approach slower than this on average has failed."""

STARTING_S = 10.0

TRUSTED_RESUMES = 2
"""After so many resumed landings a climb is not broken off for a site that is found on the way."""


WAY_WORDS = {
    WayDown.LAND: "landing on the site",
    WayDown.HOME: "the way home ends on the site",
    WayDown.MISSION: "the mission's landing on the site",
}
"""Names of the landings that the authority accompanies."""

HOLDS_IN = "holds in"
"""In the reason of an end after the last try, and of no other end."""

LEAST_HOLD_S = 3.0
"""A failsafe landing is not stopped for less: nobody goes within it, and a mode change takes as long."""

LEAST_SEARCH_S = 20.0
"""Nor for its ground: to stop, climb by `climb_m`, see a site for `calm_s` and fly to it takes as long."""

FAILSAFE_WORDS = "the autopilot's own failsafe is in force"

LOST_DESTINATION = "the local frame has moved by an unknown step"
"""Of a flight of ours: where the vehicle was sent to is another place now."""

FLYING = tuple(AuthorityState(name) for name in ("aside", "climb", "descend", "move", "approach"))

IN_THE_AIR = tuple(AuthorityState(name) for name in ("look", "hold", "search")) + FLYING
"""States in which the vehicle stays up on our word, so that together they must end."""


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
        self._site = SiteStatus(settings)
        self._handshake = CommandHandshake()
        self._landing = Tries()
        self._bound = HoldBound()
        self._stray = StrayWatch()
        self._mode = ""
        self._ordered = False
        self._from_ground = settings.begin_in_air
        self._failsafe = False
        self._stepped_ns: int | None = None
        self._held_ns = 0
        """Time for which it was held since a hand flew it, over all landings: a failsafe that breaks one off, and the
        way home that follows, begin no new time."""
        self._transitions: list[AuthorityTransition] = []

    @property
    def state(self) -> AuthorityState:
        """The present state."""
        return self._state

    def step(self, inputs: AuthorityInput) -> AuthorityOutput:
        """Looks at the newest evidence and says what to command now."""
        self._handshake.request, self._transitions = None, []
        if self._state is not AuthorityState.OFF:
            self._step(inputs)
        idle = self._state in (AuthorityState.READY, AuthorityState.ENDED)
        ended, transitions = idle and bool(self._transitions), tuple(self._transitions)
        return AuthorityOutput(self._state, self._reason, self._handshake.request, ended, transitions)

    def _step(self, inputs: AuthorityInput) -> None:
        vehicle, now_ns = inputs.vehicle, inputs.now_ns
        before_ns, self._stepped_ns = self._stepped_ns, now_ns
        if self._state in IN_THE_AIR and before_ns is not None:
            self._held_ns += now_ns - before_ns
        if self._state is AuthorityState.ENDED:
            if self._settings.rearm == "on_disarm" and vehicle.link_alive and not vehicle.armed:
                self._rest(now_ns, "disarmed: armed again")
            return
        if not vehicle.link_alive:
            if not (self._failsafe and self._state in (*IN_THE_AIR, AuthorityState.RESUME, AuthorityState.HAND_BACK)):
                self._stand_down(now_ns, "no heartbeat from the autopilot")
            return  # in a failsafe nobody may be there to take over: it goes on when the link is back
        begun, self._failsafe = vehicle.failsafe and not self._failsafe, vehicle.failsafe
        if self._state not in IN_THE_AIR or not vehicle.failsafe:
            self._bound.release(now_ns)
        modes = FLIGHT_MODES.get(vehicle.autopilot)
        if not vehicle.armed or vehicle.airborne is False or modes is None:
            self._site, self._bound = SiteStatus(self._settings), HoldBound()
            self._mode, self._ordered = vehicle.mode, False
            self._from_ground, self._held_ns = True, 0
            self._rest(now_ns, "on the ground")
            return
        if vehicle.no_hover:
            self._mode, self._ordered = vehicle.mode, False
            self._stand_down(now_ns, vehicle.no_hover)
            return
        self._site.update(inputs.output, inputs.pose, now_ns)
        self._landing.known_m = inputs.output.descend_to_m or self._landing.known_m
        shift = self._site.shift
        if shift != FrameShift():
            self._stray.moved(shift)
            self._landing.moved(shift)
        if self._state is AuthorityState.READY:
            self._begin(inputs, modes)
        if self._state is AuthorityState.READY:
            return
        expected = self._handshake.expected_modes
        word = self._pilot.word(vehicle, expected, now_ns) or self._flown_away(now_ns)
        # Told in one heartbeat, or by PX4's word: nobody else changed the mode
        its_own = (begun or vehicle.failsafe_mode) and vehicle.mode not in expected
        if vehicle.fence_open and not vehicle.failsafe and vehicle.mode not in expected:
            return  # the pilot's word or the fence's: nothing is commanded on either
        if vehicle.next_mode and vehicle.next_mode not in expected and word is None:
            return  # whose it is, the next heartbeat says
        if word is not None and not its_own:
            self._end(now_ns, f"the pilot has it: {word}")
        elif vehicle.failsafe and self._settings.failsafe == "advise":
            self._stand_down(now_ns, FAILSAFE_WORDS)
        elif its_own:
            self._rest(now_ns, FAILSAFE_WORDS)
        elif self._done(inputs, modes) and not self._pilot.settling:
            self._act(inputs, modes)

    def _flown_away(self, now_ns: int) -> str | None:
        """Return in words that somebody flies the vehicle elsewhere in our mode; None where nobody does."""
        here, held = self._site.position_ned_m, self._state in IN_THE_AIR
        if self._state is AuthorityState.ANNOUNCE:
            return None  # it is the pilot's yet, see `_stands`
        if not held:
            self._stray.forget()
        if not held or here is None:
            return None
        to = self._landing.destination_ned_m if self._state in FLYING else None
        if self._handshake.waiting:
            if to is not None:
                self._stray.sent(now_ns, here, to)
            return None
        away_m = self._stray.away_m(now_ns, here, to)
        return None if away_m is None else f"the vehicle was flown {away_m:.0f} m away"

    def _stands(self, now_ns: int) -> bool:
        """Return True where a vehicle that is the pilot's has stopped, and has not been flown on since."""
        here = self._site.position_ned_m
        if here is None or self._stray.away_m(now_ns, here, None) is not None:
            self._stray.forget()
        return self._stray.stands

    # --- how it begins and ends ---

    def _begin(self, inputs: AuthorityInput, modes: FlightModes) -> None:
        vehicle, now_ns, status = inputs.vehicle, inputs.now_ns, self._site
        before, self._mode = self._mode, vehicle.mode
        if vehicle.mode in modes.by_hand:
            self._held_ns = 0
        if vehicle.mode != before:
            # A take-off in GUIDED is no order to land: the mode must be entered in the air. PX4 holds of itself when a
            # take-off, a mission or a way home ends: there the pilot's order comes from a mode that is flown by hand.
            px4 = vehicle.autopilot is Autopilot.PX4
            by_pilot = before in FLIGHT_MODES[Autopilot.PX4].by_hand if px4 else before != ""
            its_own = vehicle.failsafe or vehicle.failsafe_mode or vehicle.fence_open
            self._ordered = by_pilot and not its_own and vehicle.mode in self._settings.start_modes
        if not self._from_ground:
            self._reason = "came up in the air: commands nothing in this flight"
        stands_back = vehicle.fence_open or (vehicle.failsafe and self._settings.failsafe == "advise")
        if not self._from_ground or stands_back:
            return
        if self._accompanies(vehicle.way_down, now_ns):
            several = {WayDown.LAND: modes.land, WayDown.MISSION: modes.mission}
            expected = several.get(vehicle.way_down, (vehicle.mode,))
            self._engage(AuthorityState.GUARD, frozenset(expected), now_ns, WAY_WORDS[vehicle.way_down])
            self._landing.leaves = vehicle.way_down is WayDown.MISSION
            return
        high = status.height_m is not None and status.height_m >= self._settings.start_height_m
        stands = self._stands(now_ns) or vehicle.mode != modes.hold
        may_begin = self._settings.level is AuthorityLevel.LAND and self._ordered and not vehicle.failsafe
        if may_begin and high and stands and status.steady(now_ns):
            words = f"flies to the site in {self._settings.announce_s:g} s"
            self._engage(AuthorityState.ANNOUNCE, frozenset({vehicle.mode}), now_ns, words)

    def _accompanies(self, way: WayDown, now_ns: int) -> bool:
        """Return True for a landing on a site: a pilot's on one that was followed, any other on one that is below.

        A mission or a way home arrives with a site that it has flown past. It is out of view soon, and another follows.
        """
        status = self._site
        if way is WayDown.LAND:
            return status.followed(now_ns)
        near_m = max(NEAR_SITE_M, BELOW_PER_HEIGHT * (status.height_m or 0.0))
        return way in ORDERED_WAYS and status.steady(now_ns) and status.distance_m <= near_m

    def _engage(self, state: AuthorityState, expected: frozenset[str], now_ns: int, why: str) -> None:
        self._landing = Tries(top_m=self._site.height_m, began_ned_m=self._site.position_ned_m)
        self._handshake.begin(expected)
        self._pilot.begin(now_ns)
        self._enter(state, why, now_ns)

    def _stand_down(self, now_ns: int, why: str) -> None:
        """Back to waiting while nothing was commanded in this landing; the end of it otherwise."""
        if self._handshake.touched_ns is None:
            self._rest(now_ns, why)
        else:
            self._end(now_ns, why)

    def _rest(self, now_ns: int, why: str) -> None:
        if self._state is not AuthorityState.READY:
            self._handshake.begin(frozenset())
            self._enter(AuthorityState.READY, why, now_ns)

    def _end(self, now_ns: int, why: str) -> None:
        """No command from here on."""
        self._handshake.begin(frozenset())
        self._enter(AuthorityState.ENDED, why, now_ns)

    def _enter(self, state: AuthorityState, reason: str, at_ns: int) -> None:
        """Changes state, once; the reason is kept up to date in any case."""
        if state is not self._state:
            self._transitions.append(AuthorityTransition(self._state, state, reason, at_ns))
            self._state = state
        self._reason = reason
        self._landing.entered_ns = at_ns

    def _passed(self, now_ns: int, seconds: float) -> bool:
        return now_ns - self._landing.entered_ns >= seconds * 1e9

    # --- what each state does ---

    def _done(self, inputs: AuthorityInput, modes: FlightModes) -> bool:
        """Return True once the last command is done; end everything when it will not be."""
        asked = self._handshake.waiting
        failed = self._handshake.hear(inputs.answers, inputs.vehicle, inputs.now_ns)
        if failed is not None and self._waits_here(failed, inputs, modes):
            self._handshake.drop()
            words = "waits here" if inputs.vehicle.failsafe else "searches elsewhere"
            self._stay(f"{self._state.value} {failed}; {words}", inputs.now_ns)
            return False
        if failed is not None:
            where = f"the vehicle is in {inputs.vehicle.mode}, take over"
            self._end(inputs.now_ns, f"{self._state.value} {failed}; {where}")
            return False
        if not self._handshake.waiting:
            if asked:
                self._landing.entered_ns = inputs.now_ns
            return True
        somebody = self._somebody(inputs)
        if self._state in IN_THE_AIR and self._hold_left_s(inputs) <= 0.0:
            self._must_land(inputs, modes)
        elif self._state is AuthorityState.RESUME and somebody is not None:
            self._stop(inputs, modes, somebody.text)
        return False

    def _waits_here(self, failed: str, inputs: AuthorityInput, modes: FlightModes) -> bool:
        """Return True where a request that came to nothing leaves the vehicle in our hold, and ends nothing.

        A place to search from may lie outside of the fence: the next may not. In a failsafe nobody may be there to take
        over: it holds, and lands when its time is over. A landing is asked for again, but for the last one refused.
        """
        if inputs.vehicle.mode != modes.hold:
            return False
        if not inputs.vehicle.failsafe:
            return self._state is AuthorityState.MOVE and failed.startswith(AnswerKind.REFUSED.value)
        if self._state in IN_THE_AIR:
            self._landing.stays = True
            return True
        self._landing.unanswered += 1
        last = self._state is AuthorityState.HAND_BACK and failed.startswith(AnswerKind.REFUSED.value)
        return self._landing.unanswered < self._settings.max_tries and not last

    def _act(self, inputs: AuthorityInput, modes: FlightModes) -> None:
        now_ns, state = inputs.now_ns, self._state
        if state in IN_THE_AIR and self._hold_left_s(inputs) <= 0.0:
            self._must_land(inputs, modes)
            return
        touched_ns, limit_s = self._handshake.touched_ns, self._settings.max_total_s
        over = touched_ns is not None and max(now_ns - touched_ns, self._held_ns) > limit_s * 1e9
        spent = self._landing.spent or (f"{limit_s:g} s are over" if over else "")
        if state in IN_THE_AIR and spent:
            self._spent(inputs, modes, spent)
        elif state is AuthorityState.RESUME:
            self._handshake.expected_modes = frozenset(modes.land)
            self._enter(AuthorityState.GUARD, "landing on the site", now_ns)
            self._guard(inputs, modes)
        elif state is AuthorityState.HAND_BACK:
            self._end(now_ns, "lands without us")
        elif not (state in FLYING and self._sent_again(inputs, modes)):
            act = {
                AuthorityState.ANNOUNCE: self._announce,
                AuthorityState.GUARD: self._guard,
                AuthorityState.LOOK: self._look,
                AuthorityState.ASIDE: self._aside,
                AuthorityState.HOLD: self._wait,
                AuthorityState.CLIMB: self._climbing,
                AuthorityState.DESCEND: self._descending,
                AuthorityState.SEARCH: self._search,
                AuthorityState.MOVE: self._moving,
                AuthorityState.APPROACH: self._approach,
            }
            act[state](inputs, modes)

    def _announce(self, inputs: AuthorityInput, modes: FlightModes) -> None:
        if inputs.output.target is None:
            self._rest(inputs.now_ns, inputs.output.reason)
        elif inputs.vehicle.mode == modes.hold and not self._stands(inputs.now_ns):
            self._rest(inputs.now_ns, "the vehicle is flown on")
        elif self._passed(inputs.now_ns, self._settings.announce_s):
            if inputs.vehicle.mode == modes.hold:
                self._go_on(inputs, modes)
            else:
                self._stop(inputs, modes, "leaves the way home for the site")

    def _guard(self, inputs: AuthorityInput, modes: FlightModes) -> None:
        settings, height_m = self._settings, self._site.height_m
        if inputs.vehicle.way_down not in ORDERED_WAYS:
            self._stand_down(inputs.now_ns, "the vehicle does not land any more")
            return
        goes_on = inputs.vehicle.way_down is not WayDown.LAND and inputs.vehicle.touching_down is False
        if goes_on or (height_m is not None and height_m < settings.floor_height_m):
            return
        somebody = self._somebody(inputs)
        left_s = self._hold_left_s(inputs)
        if somebody is not None:
            if left_s > LEAST_HOLD_S:
                self._stop(inputs, modes, self._bounded(somebody.text, inputs))
            return
        too_high = inputs.output.descend_to_m is not None
        low = height_m is not None and height_m <= self._commit_height_m
        committed = low and not inputs.output.pad_gone  # no landing beside a pad that has left
        high = height_m is not None and height_m > settings.alert_height_m
        grace_s = max(settings.grace_s, settings.high_grace_s) if high else settings.grace_s
        beside = self._goes_beside(inputs)
        if not committed and not too_high and self._lost(inputs, grace_s):
            self._stop(inputs, modes, self._disappointed(inputs))
        elif beside and left_s > LEAST_SEARCH_S:
            words = f"goes down {self._site.distance_m:.0f} m beside the site"
            self._stop(inputs, modes, self._bounded(words, inputs))
        else:
            self._look_around(inputs, modes)

    def _goes_beside(self, inputs: AuthorityInput) -> bool:
        """Return True where the vehicle has sunk for a while beside its site: it follows no target."""
        landing, sinks = self._landing, (inputs.vehicle.down_mps or 0.0) >= SINKS_MPS
        low = self._site.height_m is not None and self._site.height_m <= self._settings.alert_height_m
        if not (low and sinks and inputs.output.target is not None and self._site.distance_m > BESIDE_M):
            landing.beside_ns = None
            return False
        landing.beside_ns = landing.beside_ns or inputs.now_ns
        return inputs.now_ns - landing.beside_ns >= BESIDE_S * 1e9

    def _look_around(self, inputs: AuthorityInput, modes: FlightModes) -> None:
        """Stop and look around, once on a way down, where it is time for it."""
        if self._should_look(inputs) and self._ask(inputs, Hold(), modes.hold):
            self._landing.looked, self._landing.aside_from_m = True, None
            words = f"looks around for {self._settings.look_s:g} s"
            self._enter(AuthorityState.LOOK, words, inputs.now_ns)

    def _should_look(self, inputs: AuthorityInput) -> bool:
        settings, target, height_m = self._settings, inputs.output.target, self._site.height_m
        if height_m is None or settings.look_s <= 0.0 or self._landing.looked:
            return False
        if self._hold_left_s(inputs) <= settings.look_s + LEAST_HOLD_S or (target is None and inputs.vehicle.failsafe):
            return False
        if target is not None and target.velocity_ne_mps != (0.0, 0.0):
            return False  # who stops is left behind
        return NOT_BELOW_M <= height_m <= settings.look_height_m

    def _look(self, inputs: AuthorityInput, modes: FlightModes) -> None:
        now_ns, settings = inputs.now_ns, self._settings
        somebody = self._somebody(inputs)
        if somebody is not None:
            self._stay(self._bounded(somebody.text, inputs), now_ns)
        elif self._step_aside(inputs, modes):
            return
        elif self._lost(inputs, settings.grace_s):
            self._stay(self._disappointed(inputs), now_ns)
        elif self._passed(now_ns, settings.look_s) and (inputs.vehicle.failsafe or self._calm(now_ns)):
            if self._site.distance_m > NEAR_SITE_M and self._hold_left_s(inputs) > LEAST_SEARCH_S:
                self._stay(f"the site is {self._site.distance_m:.0f} m away", now_ns)  # flown to from higher up
            else:
                self._land(inputs, modes)

    def _step_aside(self, inputs: AuthorityInput, modes: FlightModes) -> bool:
        """Begins the step aside, once in a look around; False where none is asked for or may be flown."""
        here, to, began_ns = self._site.position_ned_m, inputs.output.aside_ned_m, self._landing.entered_ns
        if self._landing.aside_from_m is not None or here is None or to is None:
            return False
        way_m = math.dist(here[:2], to[:2])
        if way_m > FARTHEST_ASIDE_M:
            return False
        end, words = (to[0], to[1], here[2]), f"steps {way_m:.1f} m aside to see the relief"
        if not self._fly_to(inputs, modes, end, way_m, AuthorityState.ASIDE, words):
            return False
        self._landing.aside_from_m, self._landing.look_ns = here, began_ns
        return True

    def _aside(self, inputs: AuthorityInput, modes: FlightModes) -> None:
        """On the step aside, or back from it; the look around goes on after it, for the rest of its time."""
        now_ns, here, to = inputs.now_ns, self._site.position_ned_m, self._landing.destination_ned_m
        back, somebody = self._landing.aside_from_m, self._somebody(inputs)
        if somebody is not None:
            self._stop(inputs, modes, self._bounded(somebody.text, inputs))
            return
        if to is None or back is None:
            self._stop(inputs, modes, LOST_DESTINATION)
            return
        arrived = here is not None and math.dist(here[:2], to[:2]) <= ASIDE_ARRIVED_M
        if self._lost(inputs, self._settings.grace_s + OUT_OF_VIEW_S):
            self._stop(inputs, modes, self._disappointed(inputs))
        elif to != back and arrived:
            self._fly_to(inputs, modes, back, math.dist(to[:2], back[:2]), AuthorityState.ASIDE, "back from the step")
        elif arrived:
            self._enter(
                AuthorityState.LOOK, f"looks around for {self._settings.look_s:g} s, back from the step", now_ns
            )
            self._landing.entered_ns = self._landing.look_ns
        elif now_ns > self._landing.deadline_ns:
            self._stop(inputs, modes, "the step aside does not end")

    def _wait(self, inputs: AuthorityInput, modes: FlightModes) -> None:
        height_m, now_ns, least_m = self._site.height_m, inputs.now_ns, self._landing.height_m(self._settings)
        if height_m is not None and height_m < least_m - ARRIVED_M and not self._landing.stays:
            self._climb(inputs, modes, least_m)
        elif inputs.output.descend_to_m is not None:
            self._descend(inputs, modes, inputs.output.descend_to_m)
        elif self._calm(now_ns) and not self._landing.failed_at(self._site.site_ned_m):
            self._go_on(inputs, modes)
        elif self._passed(now_ns, self._settings.wait_s):
            self._search_higher(inputs, modes)

    def _climbing(self, inputs: AuthorityInput, modes: FlightModes) -> None:
        now_ns, height_m = inputs.now_ns, self._site.height_m
        here, to = self._site.position_ned_m, self._landing.destination_ned_m
        least_m = max(self._landing.height_m(self._settings), self._over_height_m(inputs))
        clear = (
            height_m is not None
            and height_m >= least_m - ARRIVED_M
            and not self._landing.failed_at(self._site.site_ned_m)
        )
        # What disappointed is the best from here; from higher up others come into view.
        if inputs.output.descend_to_m is not None:
            self._descend(inputs, modes, inputs.output.descend_to_m)
        elif clear and self._landing.resumes < TRUSTED_RESUMES and self._calm(now_ns):
            self._go_on(inputs, modes)
        elif to is None:
            self._stop(inputs, modes, LOST_DESTINATION)
        elif here is not None and here[2] - to[2] <= ARRIVED_M:
            if self._landing.failed_ned_m:
                self._site.start_over()  # a site counts as seen from up here
            self._search_here(now_ns)
        elif now_ns > self._landing.deadline_ns:
            self._spent(inputs, modes, "the climb does not end")

    def _descending(self, inputs: AuthorityInput, modes: FlightModes) -> None:
        here, to = self._site.position_ned_m, self._landing.destination_ned_m
        if to is None:
            self._stop(inputs, modes, LOST_DESTINATION)
        elif here is not None and to[2] - here[2] <= ARRIVED_M:
            self._search_here(inputs.now_ns)
        elif inputs.now_ns > self._landing.deadline_ns:
            self._spent(inputs, modes, "the descent does not end")

    def _search_here(self, now_ns: int) -> None:
        self._enter(AuthorityState.SEARCH, f"searches from {self._site.height_m or 0:.0f} m", now_ns)

    def _search(self, inputs: AuthorityInput, modes: FlightModes) -> None:
        if inputs.output.descend_to_m is not None:
            self._descend(inputs, modes, inputs.output.descend_to_m)
            return
        searched = self._passed(inputs.now_ns, self._settings.search_s)
        if self._calm(inputs.now_ns) and (searched or not self._landing.failed_at(self._site.site_ned_m)):
            self._go_on(inputs, modes)
        elif searched:
            self._search_higher(inputs, modes)

    def _moving(self, inputs: AuthorityInput, modes: FlightModes) -> None:
        here, to = self._site.position_ned_m, self._landing.destination_ned_m
        if inputs.output.descend_to_m is not None:
            self._descend(inputs, modes, inputs.output.descend_to_m)
        elif self._calm(inputs.now_ns) and not self._landing.failed_at(self._site.site_ned_m):
            self._go_on(inputs, modes)
        elif to is None:
            self._stop(inputs, modes, LOST_DESTINATION)
        elif here is not None and math.dist(here[:2], to[:2]) <= ARRIVED_M:
            self._search_here(inputs.now_ns)
        elif inputs.now_ns > self._landing.deadline_ns:
            self._stop(inputs, modes, "the place to search from is not reached")

    def _approach(self, inputs: AuthorityInput, modes: FlightModes) -> None:
        now_ns, status, to = inputs.now_ns, self._site, self._landing.destination_ned_m
        # Out of view for a while is no harm here: the vehicle does not go down.
        lost = status.missing(now_ns, self._settings.grace_s + OUT_OF_VIEW_S)
        if self._somebody(inputs) is not None or lost:
            self._stop(inputs, modes, inputs.output.reason)
        elif to is None:
            self._stop(inputs, modes, LOST_DESTINATION)
        elif status.distance_m <= NEAR_SITE_M / 2 and status.steady(now_ns):
            self._land(inputs, modes)
        elif now_ns > self._landing.deadline_ns:
            self._spent(inputs, modes, "the site is not reached")
        elif inputs.output.way is Way.BLOCKED and self._too_low(inputs):
            self._landing.blocked = True
            self._fly_to_site(inputs, modes)
        elif math.dist(to[:2], (status.site_ned_m or to)[:2]) > MOVED_M:
            self._fly_to_site(inputs, modes)

    def _somebody(self, inputs: AuthorityInput) -> Intruder | None:
        """Return the intruder at the site that must stop the vehicle now, if any."""
        return inputs.output.intruder if self._site.somebody(inputs.now_ns) else None

    def _calm(self, now_ns: int) -> bool:
        """Return True when the site was sent for long enough and nobody is about."""
        settings = self._settings
        quiet = self._site.quiet(now_ns, settings.calm_s)
        return quiet and self._site.steady(now_ns, settings.steady_s)

    # --- failsafe landings ---

    def _hold_left_s(self, inputs: AuthorityInput) -> float:
        """Time for which a landing may be held up yet, s; without an end where it is not a failsafe's."""
        if not inputs.vehicle.failsafe:
            return math.inf
        if inputs.leaving:
            return 0.0
        held = self._state in IN_THE_AIR
        return self._bound.left_s(inputs.vehicle.battery, self._site.height_m, inputs.now_ns, held=held)

    def _bounded(self, why: str, inputs: AuthorityInput) -> str:
        """Return what holds the landing up, and in a failsafe for how long at most."""
        bound = f"; failsafe, at most {self._hold_left_s(inputs):.0f} s" if inputs.vehicle.failsafe else ""
        return f"{why}{bound}"

    def _lost(self, inputs: AuthorityInput, for_s: float) -> bool:
        """Return True where a site missing for so long is worth a stop.

        In a failsafe it is where the ground is why, and the time for another place is left: evidence that is missing
        does not come back by waiting.
        """
        if not self._site.missing(inputs.now_ns, for_s):
            return False
        return not inputs.vehicle.failsafe or (inputs.output.bad_ground and self._hold_left_s(inputs) > LEAST_SEARCH_S)

    def _must_land(self, inputs: AuthorityInput, modes: FlightModes) -> None:
        """The time that the failsafe leaves is over, or ours is: land, on the site if there is one.

        The autopilot was landing before it was held. Where TIMESYNC is not answered, or the link is late, nobody knows
        whether a pilot has just taken over, who can do so again; a vehicle that is left hovering falls.
        """
        lands = "lands on the site" if inputs.output.target is not None else "lands without a site"
        why = "the daemon ends" if inputs.leaving else "no time left"
        words = f"failsafe, {why}: {lands}"
        if self._handshake.ask(Land(), modes.land[0], inputs.vehicle, inputs.now_ns, however_late=True):
            self._enter(AuthorityState.HAND_BACK, words, inputs.now_ns)

    def _disappointed(self, inputs: AuthorityInput) -> str:
        """Note a site that is gone, and return the reason in words with what follows from it."""
        reason, height_m, site = inputs.output.reason, self._site.height_m, self._site.site_ned_m
        near_m = self._settings.clear_height_m
        if inputs.output.bad_ground and site is not None and height_m is not None and height_m <= near_m:
            self._landing.failed_ned_m.append(site)
            reason = f"{reason} at {height_m:.1f} m; next try from {self._landing.height_m(self._settings):.0f} m"
        return self._bounded(reason, inputs)

    # --- the commands ---

    def _stop(self, inputs: AuthorityInput, modes: FlightModes, why: str) -> None:
        """Holds: by the mode, or, where that mode is flying us somewhere, by a target right here.

        The same mode again would change nothing, and the vehicle would fly on.
        """
        here = self._site.position_ned_m
        flying = self._state in FLYING
        command: FlightCommand = FlyTo(here, frame=self._site.frame) if flying and here is not None else Hold()
        if self._ask(inputs, command, modes.hold):
            self._stay(why, inputs.now_ns)

    def _stay(self, why: str, now_ns: int) -> None:
        """Waits where it holds already, for this landing to begin anew."""
        self._site.start_over()
        self._landing.looked = False
        self._enter(AuthorityState.HOLD, why, now_ns)

    def _search_higher(self, inputs: AuthorityInput, modes: FlightModes) -> None:
        settings, height_m, landing = self._settings, self._site.height_m, self._landing
        if landing.searches >= settings.max_tries:
            self._spent(inputs, modes, f"no site in {settings.max_tries} searches")
            return
        highest_m = landing.highest_m(settings)
        if height_m is not None and height_m + 1.0 > highest_m:
            if not self._search_beside(inputs, modes, height_m):
                self._enter(AuthorityState.SEARCH, "searches on", inputs.now_ns)
            landing.searches += 1
        elif self._climb(inputs, modes, min((height_m or 0.0) + settings.climb_m * (1 + landing.resumes), highest_m)):
            landing.searches += 1

    def _search_beside(self, inputs: AuthorityInput, modes: FlightModes, height_m: float) -> bool:
        """Flies to where other ground comes into view; False where there is no such place, or none to fly to."""
        here, landing = self._site.position_ned_m, self._landing
        low = height_m < self._settings.over_height_m - ARRIVED_M
        if here is None or low or self._hold_left_s(inputs) <= LEAST_SEARCH_S:
            return False
        to = landing.outlook(here, inputs.output.outlooks_ned_m, self._settings.search_radius_m)
        if to is None:
            return False
        away_m = math.dist(here[:2], to[:2])
        words = f"flies {away_m:.0f} m to search from there"
        if not self._fly_to(inputs, modes, (to[0], to[1], here[2]), away_m, AuthorityState.MOVE, words):
            return False
        landing.searched_ned_m = [*(landing.searched_ned_m or [here]), to]
        return True

    def _climb(self, inputs: AuthorityInput, modes: FlightModes, height_m: float) -> bool:
        here, now_m = self._site.position_ned_m, self._site.height_m
        if here is None or now_m is None:
            if self._passed(inputs.now_ns, self._settings.wait_s + self._settings.search_s):
                self._spent(inputs, modes, "the position is not known")
            return False
        up_m = height_m - now_m
        return self._fly_to(
            inputs, modes, (here[0], here[1], here[2] - up_m), up_m, AuthorityState.CLIMB, f"climbs to {height_m:.0f} m"
        )

    def _descend(self, inputs: AuthorityInput, modes: FlightModes, height_agl_m: float) -> None:
        """Straight down, to the height above ground from which the network's answer counts."""
        here, pose = self._site.position_ned_m, inputs.pose
        if here is None or pose is None or pose.height_agl_m is None:
            return
        to_m = max(height_agl_m - ARRIVED_M, self._settings.clear_height_m)
        down_m = pose.height_agl_m - to_m
        if down_m <= ARRIVED_M:
            return
        to, words = (here[0], here[1], here[2] + down_m), f"goes down to {to_m:.0f} m to see a site"
        self._fly_to(inputs, modes, to, down_m, AuthorityState.DESCEND, words)

    def _go_on(self, inputs: AuthorityInput, modes: FlightModes) -> None:
        """To the confirmed site: there first, then down, so that the camera sees it all the way.

        ArduPilot would fly there in LAND as well, but slowly and with the site out of view.
        """
        if self._landing.resumes >= self._settings.max_tries:
            self._spent(inputs, modes, f"{self._settings.max_tries} tries did not end well")
        elif self._site.distance_m > NEAR_SITE_M and not self._landing.stays:
            self._fly_to_site(inputs, modes)
        else:
            self._land(inputs, modes)

    def _over_height_m(self, inputs: AuthorityInput) -> float:
        """Least height from which to fly to the site, m: no sensor of ours looks sideways, and looks tell no height."""
        near, free = self._site.distance_m <= NEAR_SITE_M, inputs.output.way is Way.FREE and not self._landing.blocked
        return 0.0 if near or free else min(self._settings.over_height_m, self._landing.highest_m(self._settings))

    def _too_low(self, inputs: AuthorityInput) -> bool:
        """Return True where something may stand as high as the vehicle on the way to the site."""
        height_m = self._site.height_m
        return height_m is not None and height_m < self._over_height_m(inputs) - ARRIVED_M

    def _fly_to_site(self, inputs: AuthorityInput, modes: FlightModes) -> None:
        """At the present height, or first up to one that nothing on the way reaches."""
        here, site, away_m = self._site.position_ned_m, self._site.site_ned_m, self._site.distance_m
        if self._too_low(inputs):
            self._climb(inputs, modes, self._over_height_m(inputs))
            return
        if here is not None and site is not None:
            words = f"flies {away_m:.0f} m to the site"
            self._fly_to(inputs, modes, (site[0], site[1], here[2]), away_m, AuthorityState.APPROACH, words)

    def _fly_to(
        self, inputs: AuthorityInput, modes: FlightModes, to: Position, way_m: float, state: AuthorityState, why: str
    ) -> bool:
        pose = inputs.pose if state is AuthorityState.ASIDE else None
        attitude = None if pose is None else pose.ned_from_frd
        command = FlyTo(to, None if attitude is None else heading_of(attitude)[0], self._site.frame)
        if self._landing.stays or not self._ask(inputs, command, modes.hold):
            return False
        self._landing.destination_ned_m = self._landing.sent_ned_m = to
        self._landing.deadline_ns = inputs.now_ns + round((STARTING_S + way_m / SLOWEST_MPS) * 1e9)
        self._enter(state, why, inputs.now_ns)
        return True

    def _sent_again(self, inputs: AuthorityInput, modes: FlightModes) -> bool:
        """Sends the vehicle again to where it was sent, once the local frame has moved: the numbers are others now."""
        here, to, sent = self._site.position_ned_m, self._landing.destination_ned_m, self._landing.sent_ned_m
        if here is None or to is None or sent is None or math.dist(to, sent) <= DISPLACED_M:
            return False
        return self._fly_to(inputs, modes, to, math.dist(here, to), self._state, self._reason)

    def _land(self, inputs: AuthorityInput, modes: FlightModes) -> None:
        looked = self._state is AuthorityState.LOOK
        if self._ask(inputs, Land(), modes.land[0]):
            self._landing.blocked = False
            if not looked:
                self._landing.resumes += 1
            words = "nobody comes: lands" if looked else "site confirmed: lands"
            if self._landing.leaves:
                item = inputs.vehicle.mission
                where = "" if item is None else f" at item {item.number}"
                words, self._landing.leaves = f"{words} in {modes.land[0]}, the mission ends{where}", False
            self._enter(AuthorityState.RESUME, words, inputs.now_ns)

    def _spent(self, inputs: AuthorityInput, modes: FlightModes, why: str) -> None:
        """Hands back: the vehicle stays where it is for the pilot, or lands as if alone; in a failsafe it must land."""
        if inputs.vehicle.failsafe:
            self._must_land(inputs, modes)
            return
        alone = self._settings.when_spent == "land" and inputs.output.intruder is None
        if not alone and self._state in FLYING and self._site.position_ned_m is not None:
            self._landing.spent = why
            self._stop(inputs, modes, f"{why}; stops here")
        elif not alone:
            self._end(inputs.now_ns, f"{why}; {HOLDS_IN} {inputs.vehicle.mode}, take over")
        elif self._ask(inputs, Land(), modes.land[0]):
            self._enter(AuthorityState.HAND_BACK, f"{why}; lands straight down", inputs.now_ns)

    def _ask(self, inputs: AuthorityInput, command: FlightCommand, mode: str) -> bool:
        return self._handshake.ask(command, mode, inputs.vehicle, inputs.now_ns)
