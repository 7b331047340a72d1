# SPDX-License-Identifier: MIT
"""Pages in a real Chromium, for tests: the fixture `browse`, and what one asks of a page."""
import importlib.machinery
import importlib.util
import json
import os

import pytest
from conftest import PROJECT
from hub.base import wait_until

pytest.importorskip("selenium", reason="python3-selenium of tests/packages.txt")
AXE = os.path.join(PROJECT, "tests", "npm", "node_modules", "axe-core", "axe.min.js")


def load_picture():
    path = os.path.join(PROJECT, "docs", "picture")
    loader = importlib.machinery.SourceFileLoader("picture", path)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("picture", loader))
    loader.exec_module(module)
    return module


@pytest.fixture
def browse():
    opened = []

    def open_page(url, **how):
        driver = load_picture().browser(**how)
        opened.append(driver)
        driver.get(url)
        return driver

    yield open_page
    for driver in opened:
        driver.quit()


def text_of(driver, selector):
    """What stands in all elements of a selector, whether they are in sight or not."""
    return driver.execute_script("return [...document.querySelectorAll(arguments[0])].map(e => e.textContent).join('\\n')", selector)


def wait_text(driver, selector, text, seconds=90):
    wait_until(lambda: text in text_of(driver, selector), seconds, f"{text!r} in {selector}")


def is_shown(driver, selector):
    return driver.execute_script("const e = document.querySelector(arguments[0]); return e !== null && e.checkVisibility()", selector)


def click(driver, selector):
    driver.execute_script("document.querySelector(arguments[0]).click()", selector)


def type_into(driver, selector, text):
    driver.execute_script("""const [node, text] = [document.querySelector(arguments[0]), arguments[1]];
        node.value = text; node.dispatchEvent(new Event('input', { bubbles: true })); node.dispatchEvent(new Event('change', { bubbles: true }));""",
                          selector, text)


def complaints(driver):
    """Errors in the browser's console: scripts, refused sources, missing files."""
    return [entry["message"] for entry in driver.get_log("browser") if entry["level"] == "SEVERE"]


def resize(driver, width, height, dark=False):
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600})
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [
        {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}, {"name": "prefers-reduced-motion", "value": "reduce"}]})


def axe_findings(driver):
    """What axe-core says against the page as it stands: WCAG 2.2 A and AA, and its own good practice."""
    if not os.path.exists(AXE):
        pytest.skip("axe-core of tests/npm is not here: no npm on this machine")
    with open(AXE, encoding="utf-8") as file:
        driver.execute_script(file.read())
    driver.set_script_timeout(120)
    found = driver.execute_async_script("""
        const done = arguments[arguments.length - 1];
        const values = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
        axe.run(document, { runOnly: { type: 'tag', values } }).then(({ violations, passes }) => done([violations.map(
          ({ id, nodes }) => [id, nodes.map((node) => node.target.join(' '))]), passes.length]));""")
    assert found[1] > 10, json.dumps(found)  # it did look
    return found[0]
