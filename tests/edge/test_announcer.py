from __future__ import annotations

import random

from edge.announcer import BURST, PERIOD_NS, Announcer
from firmware_bridge.messages import Severity

S = 1_000_000_000
INFO = Severity.INFO


class Heard:
    def __init__(self) -> None:
        self.texts: list[str] = []

    def __call__(self, text: str, _severity: Severity) -> None:
        self.texts.append(text)


def test_a_flood_is_thinned_and_ends_with_the_truth() -> None:
    heard = Heard()
    announcer = Announcer(heard)
    rng = random.Random(2)
    for tick in range(1200):  # one minute at 20 Hz
        announcer.say(tick * S // 20, "landing", f"state {rng.random()}", INFO)
        announcer.tick(tick * S // 20)
    announcer.say(60 * S, "landing", "the last", INFO)
    announcer.tick(60 * S + PERIOD_NS)
    assert len(heard.texts) <= BURST + 60 * S // PERIOD_NS + 1
    assert heard.texts[-1] == "the last"


def test_the_urgent_does_not_wait_and_takes_the_place_of_what_does() -> None:
    heard = Heard()
    announcer = Announcer(heard)
    for number in range(BURST + 1):
        announcer.say(0, "landing", f"state {number}", INFO)
    announcer.say(0, "landing", "person at the site", Severity.WARNING, urgent=True)
    assert heard.texts == [*(f"state {n}" for n in range(BURST)), "person at the site"]
    announcer.tick(10 * S)
    assert heard.texts[-1] == "person at the site"  # what waited had become untrue


def test_the_same_is_not_said_twice_unless_something_came_between() -> None:
    heard = Heard()
    announcer = Announcer(heard)
    for at_s, text in ((0, "hold"), (1, "hold"), (2, "descend"), (3, "hold"), (40, "hold")):
        announcer.say(at_s * S, "landing", text, INFO)
    assert heard.texts == ["hold", "descend", "hold", "hold"]


def test_what_waited_and_is_no_longer_so_is_not_said() -> None:
    heard = Heard()
    announcer = Announcer(heard)
    for number in range(BURST):
        announcer.say(0, "landing", f"state {number}", INFO)
    announcer.say(0, "landing", "hold", INFO)
    announcer.say(0, "landing", f"state {BURST - 1}", INFO)  # as it was before
    announcer.tick(10 * S)
    assert heard.texts == [f"state {n}" for n in range(BURST)]


def test_topics_do_not_take_each_others_place() -> None:
    heard = Heard()
    announcer = Announcer(heard)
    for number in range(BURST):
        announcer.say(0, "landing", f"state {number}", INFO)
    announcer.say(0, "landing", "hold", INFO)
    announcer.say(0, "authority", "ready", INFO)
    announcer.tick(2 * PERIOD_NS)
    assert heard.texts[BURST:] == ["hold", "ready"]
