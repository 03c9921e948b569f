from __future__ import annotations

from edge.health import Health, InputMonitor, overall
from firmware_bridge.messages import HealthState

MS = 1_000_000
S = 1000 * MS


def steady(monitor: InputMonitor, until_ns: int, period_ns: int = 100 * MS) -> None:
    for at_ns in range(0, until_ns + 1, period_ns):
        monitor.arrived(at_ns)


def judged(*monitors: InputMonitor, now_ns: int, **flags: bool) -> Health:
    chosen = {"active": False, "relied_on": False, "starting": False, **flags}
    return overall(tuple(m.health(now_ns) for m in monitors), **chosen)


def test_a_steady_input_is_well() -> None:
    monitor = InputMonitor("camera", 500 * MS, 5.0)
    steady(monitor, 10 * S)
    health = monitor.health(10 * S)
    assert health.ok and health.detail == ""
    assert abs(health.rate_hz - 10.0) < 1.0
    assert judged(monitor, now_ns=10 * S).state is HealthState.STANDBY
    assert judged(monitor, now_ns=10 * S, active=True).state is HealthState.OK


def test_silence_is_degraded_and_failed_while_landing() -> None:
    monitor = InputMonitor("camera", 500 * MS)
    steady(monitor, 10 * S)
    assert judged(monitor, now_ns=10 * S + 499 * MS).state is HealthState.STANDBY
    gone = judged(monitor, now_ns=12 * S)
    assert gone.state is HealthState.DEGRADED
    assert gone.reasons == ("camera nothing for 2.0 s",)
    assert judged(monitor, now_ns=12 * S, relied_on=True).state is HealthState.FAILED


def test_an_input_can_be_alive_but_not_valid() -> None:
    monitor = InputMonitor("pose", 500 * MS)
    monitor.arrived(0, "without height")
    health = monitor.health(1 * MS)
    assert health.alive and not health.valid and not health.ok
    assert judged(monitor, now_ns=1 * MS).text == "degraded: pose without height"
    monitor.arrived(10 * MS)
    assert monitor.health(20 * MS).ok


def test_a_failure_that_is_reported_does_not_wait_for_the_timeout() -> None:
    monitor = InputMonitor("camera", 5 * S)
    monitor.arrived(0)
    monitor.failed("unplugged")
    assert judged(monitor, now_ns=1).reasons == ("camera unplugged",)


def test_too_slow_is_said_but_is_no_failure() -> None:
    monitor = InputMonitor("pipeline", 2 * S, 5.0)
    steady(monitor, 20 * S, 1 * S)
    health = judged(monitor, now_ns=20 * S)
    assert health.state is HealthState.STANDBY
    assert "at least 5 expected" in health.reasons[0]


def test_the_rate_starts_anew_after_a_gap() -> None:
    monitor = InputMonitor("camera", 500 * MS, 5.0)
    steady(monitor, 1 * S)
    for at_ns in range(60 * S, 61 * S + 1, 100 * MS):
        monitor.arrived(at_ns)
    health = monitor.health(61 * S)
    assert health.ok and health.rate_hz > 9.0


def test_what_never_came_is_booting_at_first_and_too_late_later() -> None:
    camera, pose = InputMonitor("camera", 500 * MS), InputMonitor("pose", 500 * MS)
    steady(camera, 1 * S)
    assert judged(camera, pose, now_ns=1 * S, starting=True).state is HealthState.STARTING
    assert judged(camera, pose, now_ns=1 * S).state is HealthState.DEGRADED
    assert judged(camera, pose, now_ns=5 * S, starting=True).state is HealthState.DEGRADED
