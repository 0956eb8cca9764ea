"""A headless Chromium for the tests of pages: that of the system, driven by selenium, which downloads nothing."""

from __future__ import annotations

import atexit
import importlib.util
import json
import os
import shutil
import tempfile
import time
import unittest
from functools import cache
from pathlib import Path
from typing import Any

try:
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service
except ImportError:
    webdriver = None  # type: ignore[assignment]

_OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
)


_RUN_AXE = """
const done = arguments[0];
axe.run(document, {resultTypes: ["violations"]}).then((found) => done(found.violations.map((fault) => [
  fault.impact, fault.id, fault.nodes.length, fault.nodes[0].html.slice(0, 300), fault.nodes[0].failureSummary,
])));
"""


def axe_core() -> str:
    """The script of axe-core, from the package that has it; nothing else of that is used, nor what it depends on."""
    found = importlib.util.find_spec("axe_playwright_python")
    if found is None or not found.submodule_search_locations:
        raise unittest.SkipTest("axe-core is not installed: pip install --no-deps axe-playwright-python")
    return Path(found.submodule_search_locations[0], "axe.min.js").read_text(encoding="utf-8")


def why_not() -> str | None:
    """The reason why pages cannot be opened here; ``None`` if they can."""
    if webdriver is None:
        return "selenium is not installed: pip install -e '.[test]'"
    missing = [name for name in ("chromium", "chromedriver") if shutil.which(name) is None]
    if missing:
        return f"there is no {' and no '.join(missing)}: apt-get install chromium chromium-driver"
    return None


@cache
def _browser() -> Any:
    """One for all classes, as it takes longer to start than most of them; until the process ends."""
    profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    for option in (*_OPTIONS, f"--user-data-dir={profile.name}"):
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    browser = webdriver.Chrome(options, Service(shutil.which("chromedriver")))
    process = os.getpid()

    def end() -> None:
        if os.getpid() == process:  # not in a child that a test has forked
            browser.quit()
            profile.cleanup()

    atexit.register(end)
    return browser


class BrowserTestCase(unittest.TestCase):
    """Tests that open pages in a browser; they are skipped where there is none."""

    browser: Any

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        reason = why_not()
        if reason is not None:
            raise unittest.SkipTest(reason)
        cls.browser = _browser()
        cls.addClassCleanup(cls.browser.get, "about:blank")

    def setUp(self) -> None:
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.size(1200, 900)

    def size(self, width: int, height: int, *, dark: bool = False) -> None:
        """Emulate a screen of that size, which for a window could not be as narrow as a telephone."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})

    def open(self, file: Path) -> float:
        """Open a page; returns the seconds until the browser had drawn it."""
        for log in ("browser", "performance"):
            self.browser.get_log(log)
        began = time.perf_counter()
        self.browser.get(file.as_uri())
        self.js("return document.body.offsetHeight")
        return time.perf_counter() - began

    def js(self, script: str, *arguments: Any) -> Any:
        return self.browser.execute_script(script, *arguments)

    def find(self, selector: str) -> Any:
        return self.browser.find_element("css selector", selector)

    def press(self, *keys: str) -> None:
        self.browser.switch_to.active_element.send_keys(*keys)

    def shown(self) -> list[str]:
        """The names on the lanes that are shown."""
        found: list[str] = self.js(
            "return [...document.querySelectorAll('.op:not([hidden]) .text')].map((name) => name.textContent)"
        )
        return found

    def assertQuiet(self, file: Path) -> None:
        """Nothing was written to the console, and nothing was asked for but the page itself."""
        self.assertEqual([entry["message"] for entry in self.browser.get_log("browser")], [])
        asked = set()
        for entry in self.browser.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                asked.add(message["params"]["request"]["url"])
        self.assertEqual({url for url in asked if not url.startswith("data:")}, {file.as_uri()})

    def assertAccessible(self) -> None:
        """axe-core finds nothing serious in the page."""
        self.js(axe_core())
        found = self.browser.execute_async_script(_RUN_AXE)
        self.assertEqual([fault for fault in found if fault[0] in ("serious", "critical")], [])

    def screenshot(self, file: Path) -> None:
        self.browser.save_screenshot(str(file))
