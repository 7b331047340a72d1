# SPDX-License-Identifier: MIT
"""The counter's page in a real Chromium: what an operator sees, with and without a link."""
from browser import axe_findings, browse, click, complaints, is_shown, resize, text_of, type_into, wait_text  # noqa: F401
from conftest import VILLAGES
from hub.base import free_port, wait_until
from selenium.webdriver.common.keys import Keys
from test_monitor_page import press, tab_to


def alone(lonely, village=VILLAGES[0], **settings):
    """A gateway without any broker."""
    lonely.expects("gateway-")
    return lonely.gateway(village, brokers=f"127.0.0.1:{free_port()}", **settings)


def test_the_counter_is_called_as_its_village(lonely, browse):  # noqa: F811
    for village, name in ((VILLAGES[0], "Desa Padomasan, Kecamatan Jombang · 35.09.01.2001"), (VILLAGES[1], "Kelurahan "), ("35.09.99.2001", "Desa 35.09.99.2001")):
        driver = browse(alone(lonely, village).url)
        wait_text(driver, "#village", name)
        assert complaints(driver) == []


def test_a_request_is_typed_by_the_keyboard_and_accepted_without_a_link(lonely, browse):  # noqa: F811
    gateway = alone(lonely)
    driver = browse(gateway.url)
    for size in ((1280, 720), (390, 844)):
        for dark in (False, True):
            resize(driver, *size, dark)
            assert driver.execute_script("return document.documentElement.scrollWidth") <= size[0]
            assert axe_findings(driver) == [], (size, dark)
    for field, text in (("#case_id", "SKTM-2026-0042"), ("#applicant-nik", "350901010190"), ("#applicant-name", "Siti Rahayu")):
        tab_to(driver, field)
        press(driver, text, Keys.ENTER)  # which sends nothing
    assert driver.execute_script("return document.getElementById('applicant-nik').value") == "3509 0101 0190", "in fours, for reading aloud"
    driver.refresh()
    assert driver.execute_script("return document.getElementById('case_id').value") == "SKTM-2026-0042", "a draft stays"
    tab_to(driver, "#send")
    press(driver, Keys.ENTER)
    wait_until(lambda: text_of(driver, "#fault-applicant-nik") != "", 20, "what is wrong, at its field")
    assert not is_shown(driver, "#receipt") and axe_findings(driver) == []
    type_into(driver, "#applicant-nik", "9909 0101 0190 0001")
    click(driver, "#send")
    wait_until(lambda: is_shown(driver, "#receipt"), 20, "the receipt")
    assert "Nomor 35.09.01.2001-1" in text_of(driver, "#number") and "juga bila jaringan baru kembali nanti" in text_of(driver, "#promise")
    wait_text(driver, "#link", "1 catatan menunggu jaringan")
    assert axe_findings(driver) == []
