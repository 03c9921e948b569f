"""The live page in a real browser, with keyboard and the accessibility tree."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edge.web.server import WebServer
from tests.edge import fake_model
from tests.edge.blueos import FOLDER, blueos
from tests.edge.test_daemon import Rig, wait_for
from tests.edge.test_web import TOKEN
from tests.edge.web_rig import served

pytestmark = pytest.mark.browser

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")


@pytest.fixture(scope="module", params=["shared-browser"])
def browser() -> Iterator[Any]:
    if CHROMIUM is None or DRIVER is None:
        pytest.skip("no chromium and chromedriver; apt-get install chromium chromium-driver")
    webdriver = pytest.importorskip("selenium.webdriver")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--disable-dev-shm-usage",
    ):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    driver.set_window_size(1280, 1000)
    yield driver
    driver.quit()


@pytest.fixture
def page(tmp_path: Path, model_path: Path, browser: Any) -> Iterator[tuple[Any, Rig, WebServer]]:
    with served(tmp_path, model_path) as (rig, server):
        errors(browser)  # what the page before said of its end
        browser.get(f"http://127.0.0.1:{server.port}/")
        wait_for(lambda: text(browser, "state").startswith("track"), 20)
        yield browser, rig, server
        browser.get("about:blank")


@pytest.fixture(scope="session")
def model_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fake_model.save(tmp_path_factory.mktemp("model") / "nearest-colour.onnx")


def text(browser: Any, element: str) -> str:
    return str(browser.find_element("id", element).text).lower()


def pixels(browser: Any, canvas: str) -> list[int]:
    """Sum of each channel over a canvas."""
    script = (
        "const c = document.getElementById(arguments[0]);"
        "const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;"
        "const s = [0, 0, 0]; for (let i = 0; i < d.length; i += 4) {"
        "s[0] += d[i]; s[1] += d[i + 1]; s[2] += d[i + 2]; } return s;"
    )
    return list(browser.execute_script(script, canvas))


def errors(browser: Any) -> list[str]:
    return [e["message"] for e in browser.get_log("browser") if e["level"] == "SEVERE"]


def test_it_shows_picture_map_gates_and_why_not(page: tuple[Any, Rig, WebServer]) -> None:
    browser, rig, _ = page
    wait_for(lambda: sum(pixels(browser, "picture")) > 0 and sum(pixels(browser, "ground")) > 0, 20)
    gates = browser.find_elements("css selector", "#gates li")
    assert len(gates) >= 9 and all("✓" in g.text for g in gates)
    numbers = text(browser, "numbers")
    assert "m clear" in numbers and "inference" in numbers and "heartbeat" in numbers
    rig.link.posing = False
    wait_for(lambda: "pose is not known" in text(browser, "reason"), 20)
    shut = [g.text for g in browser.find_elements("css selector", "#gates li") if "✗" in g.text]
    assert any("pose is not known, for" in g for g in shut)
    wait_for(lambda: browser.find_element("id", "ground").accessible_name == "No ground map now", 20)
    wait_for(lambda: text(browser, "lamp").startswith("degraded"), 20)
    assert errors(browser) == []


def test_the_keyboard_does_everything(page: tuple[Any, Rig, WebServer]) -> None:
    browser, _, _ = page
    body = browser.find_element("tag name", "body")
    wait_for(lambda: sum(pixels(browser, "picture")) > 0, 20)
    assert browser.find_element("id", "mask").get_attribute("aria-pressed") == "true"
    body.send_keys("m")
    assert browser.find_element("id", "mask").get_attribute("aria-pressed") == "false"
    body.send_keys("t")
    back = browser.execute_script("return getComputedStyle(document.documentElement).backgroundColor")
    assert back == "rgb(255, 255, 255)"
    body.send_keys("t")
    slider = browser.find_element("id", "slider")
    wait_for(lambda: int(slider.get_attribute("max")) >= 3, 20)
    from selenium.webdriver.common.keys import Keys

    body.send_keys(Keys.ARROW_LEFT, Keys.ARROW_LEFT)
    wait_for(lambda: text(browser, "age").endswith("ago"), 20)
    assert browser.find_element("id", "live").get_attribute("aria-pressed") == "false"
    assert "ago" in slider.get_attribute("aria-valuetext")
    body.send_keys("l")
    wait_for(lambda: text(browser, "age") == "now", 20)
    seen = set()
    for _ in range(12):  # everything that can be pressed is reached by tab
        body.send_keys(Keys.TAB)
        seen.add(browser.switch_to.active_element.get_attribute("id"))
    assert {"mask", "sun", "slider", "live", "events"} <= seen
    assert errors(browser) == []


def test_a_screen_reader_is_told(page: tuple[Any, Rig, WebServer]) -> None:
    browser, _, _ = page
    say = browser.find_element("id", "say")
    assert say.get_attribute("aria-live") == "polite" and say.aria_role == "status"
    wait_for(lambda: "landing site" in browser.find_element("id", "picture").accessible_name, 20)
    assert "metres across" in browser.find_element("id", "ground").accessible_name
    assert browser.find_element("id", "slider").accessible_name == "Time of the picture"
    names = [b.accessible_name for b in browser.find_elements("tag name", "button")]
    assert all(names)
    marks = browser.find_elements("css selector", "#gates li span:first-child")
    assert {m.get_attribute("aria-label") for m in marks} == {"holds"}


def test_a_phone_needs_no_sideways_scrolling(page: tuple[Any, Rig, WebServer]) -> None:
    browser, _, _ = page
    browser.set_window_size(500, 900)  # the narrowest window that headless chromium makes
    try:
        wide = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert browser.execute_script(wide) <= 0
        for button in browser.find_elements("tag name", "button"):
            assert button.size["height"] >= 44  # a thumb's worth
    finally:
        browser.set_window_size(1280, 1000)


def test_a_picture_that_is_no_longer_new_says_how_old_it_is(
    page: tuple[Any, Rig, WebServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    browser, rig, _ = page
    wait_for(lambda: sum(pixels(browser, "picture")) > 0 and text(browser, "age") == "now", 20)
    monkeypatch.setattr(rig.daemon._loop, "take_frame", lambda _now_ns: None)  # as from a camera that hangs
    wait_for(lambda: text(browser, "age").endswith("s ago"), 20)
    assert "past" in str(browser.find_element("id", "age").get_attribute("class"))
    browser.refresh()  # who comes later is not told that it is new
    wait_for(lambda: sum(pixels(browser, "picture")) > 0 and text(browser, "age").endswith("s ago"), 20)
    monkeypatch.undo()
    wait_for(lambda: text(browser, "age") == "now", 20)


def test_a_daemon_that_is_gone_is_said(page: tuple[Any, Rig, WebServer]) -> None:
    browser, _, server = page
    server.close()
    wait_for(lambda: text(browser, "lamp") == "no connection", 20)
    assert text(browser, "reason") == "what is shown is old"


def test_it_works_in_the_frame_of_blueos(tmp_path: Path, model_path: Path, browser: Any) -> None:
    secret = tmp_path / "token"
    secret.write_text(TOKEN)
    secret.chmod(0o600)
    with served(tmp_path, model_path, token_file=str(secret)) as (_, server), blueos(server.port) as port:
        errors(browser)
        browser.get(f"http://127.0.0.1:{port}/")
        browser.switch_to.frame(browser.find_element("tag name", "iframe"))
        field = browser.find_element("id", "token")
        assert field.accessible_name.startswith("Token of the live page")
        field.send_keys("wrong-wrong-wrong-wrong\n")
        wait_for(lambda: "another token" in text(browser, "said"), 20)
        errors(browser)  # the browser notes that the wrong token was refused
        field.clear()
        field.send_keys(TOKEN + "\n")
        state = "return document.getElementById('state')?.textContent ?? 'waiting'"
        wait_for(lambda: browser.execute_script(state) != "waiting", 60)  # what the daemon says came through the proxy
        wait_for(lambda: sum(pixels(browser, "picture")) > 0, 60)
        assert browser.execute_script("return document.cookie") == ""  # scripts cannot read it
        assert browser.execute_script("return location.pathname + location.search") == FOLDER + "/"
        assert errors(browser) == []
        browser.switch_to.default_content()
        browser.get("about:blank")
