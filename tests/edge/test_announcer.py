from __future__ import annotations

import random

from edge.announcer import PERIOD_NS, Announcer
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
    assert len(heard.texts) <= 60 * S // PERIOD_NS + 2
    assert heard.texts[-1] == "the last"


def test_people_do_not_wait_and_take_the_place_of_what_does() -> None:
    heard = Heard()
    announcer = Announcer(heard)
    announcer.say(0, "landing", "track", INFO)
    announcer.say(0, "landing", "descend", INFO)
    announcer.say(0, "landing", "person at the site", Severity.WARNING, urgent=True)
    assert heard.texts == ["track", "person at the site"]
    announcer.tick(10 * S)
    assert heard.texts[-1] == "person at the site"  # what waited had become untrue


def test_the_same_is_not_said_twice_unless_something_came_between() -> None:
    heard = Heard()
    announcer = Announcer(heard)
    for at_s, text in ((0, "hold"), (3, "hold"), (6, "descend"), (9, "hold"), (50, "hold")):
        announcer.say(at_s * S, "landing", text, INFO)
    assert heard.texts == ["hold", "descend", "hold", "hold"]


def test_what_waited_and_is_no_longer_so_is_not_said() -> None:
    heard = Heard()
    announcer = Announcer(heard)
    announcer.say(0, "landing", "descend", INFO)
    announcer.say(0, "landing", "hold", INFO)
    announcer.say(0, "landing", "descend", INFO)  # as it was before
    announcer.tick(10 * S)
    assert heard.texts == ["descend"]


def test_topics_do_not_take_each_others_place_and_the_gravest_is_first() -> None:
    heard = Heard()
    announcer = Announcer(heard)
    announcer.say(0, "landing", "track", INFO)
    announcer.say(0, "landing", "hold", Severity.WARNING)
    announcer.say(0, "authority", "ended", Severity.CRITICAL)
    announcer.say(0, "speed", "fast enough", Severity.NOTICE)
    for tick in range(1, 200):
        announcer.tick(tick * S // 20)
    assert heard.texts == ["track", "ended", "hold", "fast enough"]
