"""Sensors of boards: as Jetsons, Raspberry Pis, Rockchip boards and servers lay them out under /sys."""

from __future__ import annotations

from pathlib import Path

import pytest

from firmware_bridge.board import BoardSensors, board_name, happened

ORIN = {
    "proc/device-tree/model": "NVIDIA Jetson Orin Nano Developer Kit\0",
    "sys/class/thermal/thermal_zone0/type": "cpu-thermal\n",
    "sys/class/thermal/thermal_zone0/temp": "51250\n",
    "sys/class/thermal/thermal_zone8/type": "tj-thermal\n",
    "sys/class/thermal/thermal_zone8/temp": "53656\n",
    "sys/class/thermal/cooling_device0/type": "cpufreq-cpu0\n",
    "sys/class/thermal/cooling_device0/cur_state": "0\n",
    "sys/class/thermal/cooling_device2/type": "pwm-fan\n",
    "sys/class/thermal/cooling_device2/cur_state": "3\n",
    "sys/class/hwmon/hwmon1/name": "ina3221\n",
    "sys/class/hwmon/hwmon1/in1_label": "VDD_IN\n",
    "sys/class/hwmon/hwmon1/in1_input": "4984\n",
    "sys/class/hwmon/hwmon1/curr1_input": "1856\n",
    "sys/class/hwmon/hwmon1/in2_label": "VDD_CPU_GPU_CV\n",
    "sys/class/hwmon/hwmon1/in2_input": "5000\n",
    "sys/class/hwmon/hwmon1/curr2_input": "600\n",
    "sys/class/hwmon/hwmon1/in7_label": "sum of shunt voltages\n",
    "sys/class/hwmon/hwmon1/in7_input": "20\n",
    "sys/class/hwmon/hwmon3/name": "soctherm_oc\n",
    "sys/class/hwmon/hwmon3/oc1_event_cnt": "0\n",
    "sys/class/hwmon/hwmon3/oc3_event_cnt": "15\n",
}
PI_5 = {
    "proc/device-tree/model": "Raspberry Pi 5 Model B Rev 1.0\0",
    "sys/class/thermal/thermal_zone0/type": "cpu-thermal\n",
    "sys/class/thermal/thermal_zone0/temp": "64800\n",
    "sys/devices/platform/soc@107c000000/soc@107c000000:firmware/get_throttled": "0\n",
}


def tree(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def test_a_jetson_tells_power_by_rail_and_events(tmp_path: Path) -> None:
    root = tree(tmp_path, ORIN)
    first = BoardSensors(root).read()
    assert board_name(root) == "NVIDIA Jetson Orin Nano Developer Kit"
    assert first.temperature_c == 54
    assert first.watts == {"VDD_IN": pytest.approx(9.250304), "VDD_CPU_GPU_CV": pytest.approx(3.0)}
    assert first.tells_throttling and first.slowed == () and happened(first, first) == ()
    tree(root, {"sys/class/hwmon/hwmon3/oc3_event_cnt": "17", "sys/class/thermal/cooling_device0/cur_state": "2"})
    second = BoardSensors(root).read()
    assert second.slowed == ("cpufreq-cpu0 lowered by heat",)
    assert happened(first, second) == ("over-current or under-voltage (oc3)",)


@pytest.mark.parametrize("place", ["soc@107c000000/soc@107c000000:firmware", "soc/soc:firmware", "soc:firmware"])
def test_a_raspberry_pi_tells_throttling_and_no_watts(tmp_path: Path, place: str) -> None:
    files = {name: text for name, text in PI_5.items() if "throttled" not in name}
    root = tree(tmp_path, files | {f"sys/devices/platform/{place}/get_throttled": "0\n"})
    first = BoardSensors(root).read()
    assert (first.temperature_c, first.watts, first.slowed, first.tells_throttling) == (65, {}, (), True)
    tree(root, {f"sys/devices/platform/{place}/get_throttled": "80008\n"})
    second = BoardSensors(root).read()
    assert second.slowed == ("soft temperature limit",) and happened(first, second) == ("soft temperature limit",)
    tree(root, {f"sys/devices/platform/{place}/get_throttled": "0xd0005\n"})
    assert BoardSensors(root).read().slowed == ("under-voltage", "throttled")


def test_power_sensors_and_throttle_counts_of_others(tmp_path: Path) -> None:
    root = tree(
        tmp_path,
        {
            "sys/class/hwmon/hwmon0/name": "ina238\n",
            "sys/class/hwmon/hwmon0/power1_input": "31250000\n",
            "sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count": "4\n",
            "sys/devices/system/cpu/cpu1/thermal_throttle/core_throttle_count": "5\n",
            "sys/class/thermal/cooling_device0/type": "devfreq-fb000000.gpu\n",
            "sys/class/thermal/cooling_device0/cur_state": "1\n",
        },
    )
    reading = BoardSensors(root).read()
    assert reading.watts == {"ina238": pytest.approx(31.25)}
    assert reading.counts == {"processor throttled by heat": 9}
    assert reading.slowed == ("devfreq-fb000000.gpu lowered by heat",)


@pytest.mark.parametrize("text", ["", "nonsense\n", "\xff\xfe", "9" * 40])
def test_sensors_that_do_not_answer_are_left_out(tmp_path: Path, text: str) -> None:
    root = tree(tmp_path, {name: text for name in {**ORIN, **PI_5} if not name.endswith(("label", "type", "name"))})
    reading = BoardSensors(root).read()
    assert (reading.temperature_c, reading.watts, reading.slowed) == (None, {}, ())


def test_a_board_without_sensors_tells_nothing(tmp_path: Path) -> None:
    reading = BoardSensors(tmp_path).read()
    assert (reading.temperature_c, reading.watts, reading.tells_throttling) == (None, {}, False)
    assert board_name(tmp_path) == "unknown"
