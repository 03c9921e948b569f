"""The built site in a real browser: contrast and structure by axe-core, the keyboard, and a phone's width."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.packaging]

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
PAGES = (
    "index.html",
    "reference/settings.html",
    "reference/commands/edge.html",
    "reference/mavlink.html",
    "reference/python.html",
    "results.html",
    "start/index.html",
    "hardware/jetson.html",
    "fly/preflight.html",
    "how-it-decides.html",
    "glossary.html",
)
SIZES = {"desktop": (1280, 900), "phone": (390, 844)}
AXE = """
const done = arguments[arguments.length - 1];
axe.run(document, {resultTypes: ['violations'], runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice']})
  .then(found => done(found.violations.map(v => [v.id, v.impact, v.nodes.map(n => n.html.slice(0, 120)).slice(0, 3)])));
"""


@pytest.fixture
def site(built: tuple[Path, subprocess.CompletedProcess[str]]) -> Path:
    """The built site; links to pages that are not there are another test's."""
    out, done = built
    assert (out / "index.html").is_file(), done.stderr
    return out


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if CHROMIUM is None or DRIVER is None:
        pytest.skip("no chromium and chromedriver; apt-get install chromium chromium-driver")
    webdriver = pytest.importorskip("selenium.webdriver")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-dev-shm-usage"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    driver.set_script_timeout(60)
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def axe() -> str:
    """The source of axe-core."""
    found = importlib.util.find_spec("axe_core_python")
    if found is None or found.origin is None:
        pytest.skip("no axe-core: pip install axe-core-python")
    return (Path(found.origin).parent / "axe.min.js").read_text("utf-8")


def show(browser: Any, site: Path, page: str, size: str, theme: str = "light") -> None:
    width, height = SIZES[size]
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": size == "phone"},
    )
    browser.get((site / page).as_uri())
    browser.execute_script("document.body.dataset.theme = arguments[0]", theme)


@pytest.mark.parametrize("page", PAGES)
def test_axe_finds_nothing(browser: Any, site: Path, axe: str, page: str) -> None:
    wrong = []
    for size, theme in (("desktop", "light"), ("desktop", "dark"), ("phone", "light")):
        show(browser, site, page, size, theme)
        browser.execute_script(axe)
        wrong += [(size, theme, *found) for found in browser.execute_async_script(AXE)]
    assert not wrong, "\n".join(map(str, wrong))


@pytest.mark.parametrize("page", PAGES)
def test_a_phone_does_not_scroll_sideways(browser: Any, site: Path, page: str) -> None:
    show(browser, site, page, "phone")
    wide = browser.execute_script("return [document.documentElement.scrollWidth, window.innerWidth]")
    assert wide[0] <= wide[1], wide


def test_the_keyboard_reaches_content_and_menu(browser: Any, site: Path) -> None:
    from selenium.webdriver.common.keys import Keys

    show(browser, site, "reference/settings.html", "desktop")
    body = browser.find_element("tag name", "body")
    body.send_keys(Keys.TAB)
    first = browser.switch_to.active_element
    assert first.get_attribute("href").endswith("#furo-main-content")
    reached = set()
    for _ in range(40):
        browser.switch_to.active_element.send_keys(Keys.TAB)
        now = browser.switch_to.active_element
        reached.add(now.get_attribute("href") or now.get_attribute("name") or now.tag_name)
        outline = browser.execute_script("return getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none" or now.tag_name in ("body", "html"), now.get_attribute("outerHTML")[:120]
    assert "q" in reached and any(str(target).endswith("mavlink.html") for target in reached)


def test_no_page_asks_another_host(browser: Any, site: Path) -> None:
    for page in PAGES:
        show(browser, site, page, "desktop")
        asked = browser.execute_script("return performance.getEntriesByType('resource').map(e => e.name)")
        assert not [name for name in asked if not name.startswith(("file:", "data:"))], page
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []
