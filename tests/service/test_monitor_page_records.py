# SPDX-License-Identifier: MIT
"""What the page shows of an event that its archive has not, and of a record that is nobody's."""
import subprocess

from browser import axe_findings, browse, click, complaints, resize, text_of, wait_text  # noqa: F401
from conftest import VILLAGES, payment_body, post, request_body
from hub.base import wait_until
from selenium.webdriver.common.keys import Keys
from test_monitor_page import open_page, press, tab_to


def steps(driver):
    return driver.execute_script("return [...document.querySelectorAll('#panel-body .life > li')].map(step => step.textContent)")


def test_a_line_opens_its_event_also_where_the_archive_has_it_not(world, browse):  # noqa: F811
    gateway = world.gateway()
    sink = world.sink("satu_data")
    monitor = world.monitor(["satu_data"], satu_data=world.conninfo("satu_data", f"monitor_satu_data_{world.tag}"))
    driver = open_page(browse, monitor)
    post(gateway, "/v1/requests", request_body(case_id="ARSIP-1"))
    world.wait_rows("satu_data", "SELECT count(*) FROM satu_data.requests", 1)
    sink.stop()
    post(gateway, "/v1/payments", payment_body(case_id="ARSIP-1"))  # of a case that is known there
    wait_until(lambda: text_of(driver, "#events").count("ARSIP-1") == 2, 30, "both lines")
    click(driver, "#events a")
    wait_until(lambda: len(steps(driver)) == 2, 30, "the case and the event that it lacks")
    assert "belum ada di arsip" in steps(driver)[1] and "Rp300.000" in steps(driver)[1] and "belum ada di arsip" not in steps(driver)[0]
    post(gateway, "/v1/requests", request_body(case_id="ARSIP-2"))  # of one that is not
    click(driver, "#panel-close")
    wait_text(driver, "#events", "ARSIP-2")
    click(driver, "#events a")
    wait_until(lambda: len(steps(driver)) == 1, 30, "the event alone, from Kafka")
    assert "langsung dari Kafka" in text_of(driver, "#panel-body") and text_of(driver, "#panel-body .trouble") != ""
    assert "•••" in text_of(driver, "#panel-body .fields") and "Siti" not in driver.page_source
    assert axe_findings(driver) == []
    driver.refresh()  # the tab remembers which event it was
    wait_until(lambda: len(steps(driver)) == 1, 30, "the same again")


def test_a_record_that_was_taken_back_is_no_strangers(world, browse):  # noqa: F811
    world.expects("link down")
    gateway = world.gateway(brokers="127.0.0.1:1")
    event = post(gateway, "/v1/requests", request_body(case_id="TARIK-1"))[1]["event_id"]
    assert post(gateway, f"/v1/events/{event}/void", {"reason": "salah ketik oleh petugas"})[0] == 201
    gateway.stop()
    world.gateway()
    driver = open_page(browse, world.monitor())
    wait_text(driver, "#events", "ditarik kembali oleh desa")
    tab_to(driver, "#events .line")
    press(driver, Keys.ENTER)
    wait_text(driver, "#panel-body", "ditarik kembali oleh desa")
    assert "asing" not in text_of(driver, "#panel") and world.topic("requests") in text_of(driver, "#panel-body dd")
    assert axe_findings(driver) == [] and complaints(driver) == []


def test_odd_names_of_cases_open_and_fit(world, browse):  # noqa: F811
    """Dots are folders to a browser; a long name without a hyphen has no place to break."""
    gateway = world.gateway()
    driver = open_page(browse, world.monitor())
    for name, width in (("..", 1280), ("x" * 100, 390)):
        resize(driver, width, 800)
        assert post(gateway, "/v1/requests", request_body(case_id=name))[0] == 201
        wait_text(driver, "#events", name)
        click(driver, "#events .line")
        wait_text(driver, "#panel", name, 30)
        assert driver.execute_script("const panel = document.getElementById('panel'); return panel.scrollWidth <= panel.clientWidth"), name
        click(driver, "#panel-close")


def test_a_record_that_is_nobodys_says_where_it_lies_and_not_what_it_holds(world, browse):  # noqa: F811
    monitor = world.monitor()
    driver = open_page(browse, monitor)
    subprocess.run(["kcat", "-P", "-b", world.brokers, "-t", world.topic("requests"), "-p", "3", "-k", VILLAGES[0]],
                   input=b"asing dan rahasia", check=True, timeout=60)
    wait_text(driver, "#events", "catatan asing")
    tab_to(driver, "#events .line")
    press(driver, Keys.ENTER)
    wait_text(driver, "#panel-body", "Cari siapa yang menulis ke topik ini")
    assert world.topic("requests") in text_of(driver, "#panel-body dd") and "rahasia" not in driver.page_source
    assert axe_findings(driver) == [] and complaints(driver) == []
