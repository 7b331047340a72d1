# SPDX-License-Identifier: MIT
"""Personal data on the monitor's page: an auditor opens them with a reason that is kept; nobody else sees a way."""
import time

import pytest
from browser import axe_findings, browse, click, complaints, is_shown, text_of, type_into, wait_text  # noqa: F401
from conftest import VILLAGES
from hub.base import wait_until
from selenium.webdriver.common.keys import Keys
from test_monitor_access import AUDITOR, WATCHER, tokens_file
from test_monitor_cases import live_a_case
from test_monitor_page import SIZES, press, resize, tab_to
from test_monitor_page_day import choose

KEPT = "SELECT who, what, reason, village_code, case_id FROM kentongan.audit WHERE reason <> ''"


@pytest.fixture
def monitor(world):
    """A monitor that knows a watcher and an auditor, above a case with names in it."""
    live_a_case(world, "BUKA-1")
    tokens = tokens_file(world, ("ruang-pantau", WATCHER, "watch"), ("inspektorat", AUDITOR, "audit"))
    return world.monitor(["satu_data"], tokens=tokens, satu_data=world.conninfo("satu_data", f"monitor_satu_data_{world.tag}"))


def come_in(driver, token):
    wait_until(lambda: is_shown(driver, "#access"), 20, "the way in")
    type_into(driver, "#token", token)
    click(driver, "#access-form button")
    wait_text(driver, "#clock", "WIB")
    wait_until(lambda: driver.execute_script("return document.querySelectorAll('#board .tile').length") == 248, 30, "248 villages")


def unexpected(driver):
    """Complaints but for the first answers, which asked for a token."""
    return [words for words in complaints(driver) if " 401 " not in words]


def case_is_open(driver):
    wait_until(lambda: len(driver.find_elements("css selector", "#panel-body .life > li")) == 3, 30, "the case's three events")


def test_a_watcher_finds_no_way_to_personal_data(monitor, browse):  # noqa: F811
    driver = browse(f"{monitor.url}/cases/{VILLAGES[0]}/BUKA-1")
    come_in(driver, WATCHER)
    case_is_open(driver)
    assert driver.find_elements("css selector", ".reason, #reason, #replay-open") == []
    assert "pribadi" not in text_of(driver, "main") and "Siti" not in driver.page_source


def test_an_auditor_opens_a_case_with_a_reason_that_is_kept(world, monitor, browse):  # noqa: F811
    driver = browse(f"{monitor.url}/cases/{VILLAGES[0]}/BUKA-1")
    come_in(driver, AUDITOR)
    case_is_open(driver)
    wait_until(lambda: driver.find_elements("css selector", "#reason"), 20, "the auditor's form")
    assert "Siti" not in driver.page_source and world.sql("satu_data", KEPT) == []
    assert axe_findings(driver) == []
    tab_to(driver, "#reason")
    press(driver, "aduan 12/2026 – keluarga", Keys.ENTER)  # with a letter that is more than one byte
    wait_text(driver, "#panel-body", "DATA PRIBADI TERBUKA")
    case_is_open(driver)
    assert "Siti Rahayu" in text_of(driver, "#panel-body") and "aduan 12/2026" in text_of(driver, ".open-mark")
    assert axe_findings(driver) == []
    assert world.sql("satu_data", KEPT) == [("inspektorat", "case", "aduan 12/2026 – keluarga", VILLAGES[0], "BUKA-1")]
    click(driver, "#panel-close")
    wait_until(lambda: "Siti" not in driver.page_source, 10, "nothing of it stays")
    assert "aduan" not in driver.current_url and unexpected(driver) == []


def test_an_auditor_sees_an_hour_again_with_names_and_it_is_kept(world, monitor, browse):  # noqa: F811
    driver = browse(monitor.url + "/")
    come_in(driver, AUDITOR)
    wait_until(lambda: driver.find_elements("css selector", "#replay-open"), 20, "the auditor's way")
    now = int(time.time()) // 60 * 60000
    choose(driver, now - 3600000, now + 60000, "max")
    click(driver, "#replay-open")
    tab_to(driver, "#reason")
    press(driver, "pemeriksaan pekan 48", Keys.ENTER)
    wait_text(driver, "#replay-count", "selesai", 60)
    assert "DATA PRIBADI TERBUKA" in text_of(driver, "#replaying") and is_shown(driver, "#replaying")
    assert "Siti Rahayu" in text_of(driver, "#replayed") and "Siti" not in text_of(driver, "#events")
    for size in SIZES:
        for dark in (False, True):
            resize(driver, *size, dark)
            assert driver.execute_script("return document.documentElement.scrollWidth") <= size[0]
            assert axe_findings(driver) == [], (size, dark)
    (who, what, reason, *_), = world.sql("satu_data", KEPT)
    assert (who, reason) == ("inspektorat", "pemeriksaan pekan 48") and what.startswith("replay from ")
    click(driver, "#replay-leave")
    assert "Siti" not in driver.page_source and "pemeriksaan" not in driver.page_source
    assert driver.execute_script("return JSON.stringify([sessionStorage, localStorage])").find("pemeriksaan") < 0
    click(driver, "#replay-start")  # the next one is masked again
    wait_text(driver, "#replay-count", "selesai", 60)
    assert "Siti" not in driver.page_source and not driver.execute_script("return document.body.classList.contains('personal')")
    assert len(world.sql("satu_data", KEPT)) == 1 and unexpected(driver) == []
