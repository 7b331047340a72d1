# SPDX-License-Identifier: MIT
"""The monitor's page in a real Chromium, above real programs: what the team at the wall sees."""
import hashlib
import json
import os
import signal
import time

from browser import (axe_findings, browse, click, complaints, is_shown, resize, text_of, type_into,  # noqa: F401
                     wait_text)
from conftest import BINARIES, VILLAGES, payment_body, post, request_body
from hub import programs
from hub.base import free_port, wait_until, write
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

SIZES = ((1280, 720), (390, 844))


def open_page(browse, monitor, path="/", **how):  # noqa: F811
    """The page, once it has its first picture and its villages."""
    driver = browse(monitor.url + path, **how)
    wait_until(lambda: driver.execute_script("return document.querySelectorAll('#board .tile').length") == 248, 30, "248 villages")
    wait_text(driver, "#clock", "WIB")
    return driver


def test_an_event_appears_on_the_page_without_a_reload(world, browse):  # noqa: F811
    gateway = world.gateway()
    world.sink("dinsos")
    driver = open_page(browse, world.monitor(["dinsos"]))
    wait_text(driver, "#worst", "Semua mengalir.")
    post(gateway, "/v1/requests", request_body(case_id="PERKARA-7"))
    wait_text(driver, "#events", "PERKARA-7")
    assert "Padomasan, Jombang" in text_of(driver, "#events") and "kurang mampu diajukan" in text_of(driver, "#events")
    wait_text(driver, "#departments", "berjalan")
    wait_until(lambda: driver.execute_script(
        "return document.querySelector('#board [data-code=\"35.09.01.2001\"]').dataset.state") == "sending", 20, "the village's tile")
    assert "Siti" not in driver.page_source and "9909010101900001" not in driver.page_source
    assert complaints(driver) == []


def test_a_dead_letter_is_told_and_its_departments_row_opens_it(world, browse):  # noqa: F811
    world.expects("dead letter class=data")
    gateway = world.gateway()
    world.sink("dinsos")
    driver = open_page(browse, world.monitor(["dinsos"]))
    assert post(gateway, "/v1/payments", payment_body(amount="9000000.00"))[0] == 201  # more than BLT-DD ever is
    wait_text(driver, "#worst", "1 catatan perlu diperbaiki di")
    assert "kentongan dead-letters list" in text_of(driver, "#next")
    click(driver, "#open-worst")
    wait_text(driver, "#panel-body .letter", "Padomasan, Jombang")
    (ident, status), = world.sql("dinsos", "SELECT id, status FROM kentongan.dead_letter")
    letter = text_of(driver, "#panel-body .letter")
    assert status == "open" and "Pembayaran 1" in letter and "sejak " in letter
    assert "Melanggar batas yang ditetapkan dinas. (SQLSTATE 23514)" in letter
    assert f"kentongan dead-letters retry {ident} --preview --department deploy/departments/dinsos_{world.tag} " in letter
    assert "Rp9.000.000" not in letter
    click(driver, "#panel-body .letter summary")
    wait_text(driver, "#panel-body .letter .life", "Rp9.000.000")
    assert "•••" in text_of(driver, "#panel-body .letter .fields") and "Budi" not in driver.page_source
    assert axe_findings(driver) == []
    click(driver, "#panel-close")
    click(driver, "#language")
    click(driver, "#departments button")
    wait_text(driver, "#panel-body .letter", "It is beyond a bound that the department set.")
    folder = os.path.join(world.folder, "departments", f"dinsos_{world.tag}")
    programs.kentongan(BINARIES, "dead-letters", "waive", str(ident), "--reason", "salah ketik", "--department", folder, "--brokers", world.brokers,
                       "--schemas", world.schemas, "--database", world.conninfo("dinsos"))
    click(driver, "#panel-close")
    wait_until(lambda: text_of(driver, "#departments tr td.bad") == "", 60, "the letter is gone")
    click(driver, "#departments button")
    wait_text(driver, "#panel-body", "department check")
    assert text_of(driver, "#panel-body .letter") == ""


def test_the_page_fits_a_wall_and_a_phone_and_axe_finds_nothing(world, browse):  # noqa: F811
    gateway = world.gateway()
    world.sink("dpmd")
    monitor = world.monitor(["dispendukcapil", "dinsos", "dinkes", "bapenda", "dpmd", "satu_data"])
    post(gateway, "/v1/payments", payment_body())
    driver = open_page(browse, monitor)
    wait_text(driver, "#events", "BLT-1")
    for size in SIZES:
        for dark in (False, True):
            resize(driver, *size, dark)
            wide, tall = driver.execute_script("return [document.documentElement.scrollWidth, document.documentElement.scrollHeight]")
            assert wide <= size[0], (size, dark)
            assert size[0] < 600 or tall <= size[1], (size, dark)
            assert driver.execute_script("return [...document.querySelectorAll('section')].every(s => s.scrollWidth <= s.clientWidth)")
            ground = driver.execute_script("return getComputedStyle(document.body).backgroundColor")
            assert ground == ("rgb(16, 20, 24)" if dark else "rgb(244, 244, 241)")
            assert axe_findings(driver) == [], (size, dark)
    click(driver, "#view-map")
    assert len(driver.find_elements("css selector", "#map .tile")) == 248
    click(driver, "#rate-table")
    assert len(driver.find_elements("css selector", "#panel-body tbody tr")) == 60
    assert axe_findings(driver) == []
    resize(driver, 640, 360)  # the wall at 200 %
    click(driver, "#panel-close")
    assert driver.execute_script("return document.documentElement.scrollWidth") <= 640


def test_a_broken_stream_greys_the_page_and_it_comes_back_with_what_it_missed(world, browse):  # noqa: F811
    gateway = world.gateway()
    monitor = world.monitor()
    driver = open_page(browse, monitor)
    post(gateway, "/v1/requests", request_body(case_id="SEBELUM"))
    wait_text(driver, "#events", "SEBELUM")
    monitor.process.send(signal.SIGKILL)
    wait_text(driver, "#stale", "Gambar ini dari")
    assert "stale" in driver.execute_script("return document.body.className") and axe_findings(driver) == []
    post(gateway, "/v1/requests", request_body(case_id="SEMENTARA"))
    wait_until(lambda: not monitor.process.is_running(), 20, "it is dead")
    monitor.start()
    monitor.wait()
    wait_text(driver, "#events", "SEMENTARA")
    wait_until(lambda: not is_shown(driver, "#stale"), 20, "it is live again")
    assert text_of(driver, "#events").count("SEBELUM") == 1
    assert "stale" not in driver.execute_script("return document.body.className")


def test_the_language_is_switched_for_what_stands_there_already_and_remembered(world, browse):  # noqa: F811
    gateway = world.gateway()
    driver = open_page(browse, world.monitor())
    post(gateway, "/v1/requests", request_body(case_id="BAHASA-1"))
    wait_text(driver, "#events", "diajukan")
    click(driver, "#language")
    wait_text(driver, "#events", "submitted")
    assert "diajukan" not in text_of(driver, "#events") and "Kecepatan" not in text_of(driver, "main")
    assert driver.execute_script("return document.documentElement.lang") == "en"
    driver.refresh()
    wait_text(driver, "#events", "submitted")
    assert "Departments" in text_of(driver, "section") or "Department" in text_of(driver, "section")


def press(driver, *keys):
    ActionChains(driver).send_keys(*keys).perform()


def focused(driver, of):
    return driver.execute_script(f"return document.activeElement.{of}")


def tab_to(driver, selector):
    """Go on by the Tab key until something of the selector has the focus."""
    for _ in range(60):
        press(driver, Keys.TAB)
        if driver.execute_script("return document.activeElement.matches(arguments[0])", selector):
            outline = driver.execute_script("return getComputedStyle(document.activeElement).outlineStyle")
            assert outline != "none", f"the focus on {selector} cannot be seen"
            return
    raise AssertionError(f"{selector} is not reached by the Tab key")


def test_everything_is_reached_by_the_keyboard_alone(world, browse):  # noqa: F811
    gateway = world.gateway()
    monitor = world.monitor(["dinsos"])
    driver = open_page(browse, monitor)
    post(gateway, "/v1/requests", request_body(case_id="PAPAN-KETIK"))
    wait_text(driver, "#events", "PAPAN-KETIK")
    tab_to(driver, "#rate-table")
    press(driver, Keys.ENTER)
    wait_until(lambda: is_shown(driver, "#panel"), 10, "the numbers as a table")
    press(driver, Keys.ESCAPE)
    wait_until(lambda: not is_shown(driver, "#panel"), 10, "closed")
    tab_to(driver, "#board .tile")
    first = focused(driver, "dataset.code")
    press(driver, Keys.ARROW_RIGHT)
    second = focused(driver, "dataset.code")
    assert second != first
    press(driver, Keys.ENTER)
    wait_text(driver, "#panel-body", second)
    assert driver.current_url.endswith(f"/villages/{second}")
    press(driver, Keys.ESCAPE)
    wait_until(lambda: driver.current_url == monitor.url + "/", 10, "closed")
    assert focused(driver, "dataset.code") == second
    tab_to(driver, "#filter")
    tab_to(driver, "#events a")
    tab_to(driver, "#replay-from")
    tab_to(driver, "#replay-start")


def test_events_are_filtered_by_village_district_kind_service_and_case(world, browse):  # noqa: F811
    first, second = world.gateway(VILLAGES[0]), world.gateway(VILLAGES[1])
    driver = open_page(browse, world.monitor())
    post(first, "/v1/requests", request_body(case_id="SATU-1"))
    post(second, "/v1/payments", payment_body(case_id="DUA-2"))
    wait_text(driver, "#events", "SATU-1")
    wait_text(driver, "#events", "DUA-2")
    for words, shown, hidden in (("padomasan", "SATU-1", "DUA-2"), (VILLAGES[1], "DUA-2", "SATU-1"), ("Jombang", "SATU-1", "DUA-2"), ("pembayaran", "DUA-2", "SATU-1"),
                                 ("blt-dd", "DUA-2", "SATU-1"), ("satu-1", "SATU-1", "DUA-2"), ("permohonan jombang", "SATU-1", "DUA-2")):
        type_into(driver, "#filter", words)
        assert shown in text_of(driver, "#events") and hidden not in text_of(driver, "#events"), words
    type_into(driver, "#filter", "tidak-ada")
    assert "Tidak ada yang cocok" in text_of(driver, "#events")


def test_a_village_has_an_address_that_can_be_sent(world, browse):  # noqa: F811
    gateway = world.gateway()
    monitor = world.monitor()
    post(gateway, "/v1/requests", request_body())
    driver = open_page(browse, monitor, f"/villages/{VILLAGES[0]}")
    wait_text(driver, "#panel-title", "Padomasan")
    wait_text(driver, "#panel-body", "Permohonan")  # its numbers by topic, from its heartbeat
    assert axe_findings(driver) == []
    click(driver, "#panel-close")
    wait_until(lambda: driver.current_url == monitor.url + "/", 10, "the wall's address again")
    driver.get(monitor.url + "/villages/99.99.99.2999")
    wait_text(driver, "#panel-body", "Tidak ada desa dengan kode ini.")


def test_a_line_opens_its_case_across_topics_masked(world, browse):  # noqa: F811
    gateway = world.gateway()
    world.sink("satu_data")
    monitor = world.monitor(["satu_data"], satu_data=world.conninfo("satu_data", f"monitor_satu_data_{world.tag}"))
    driver = open_page(browse, monitor)
    post(gateway, "/v1/requests", request_body(case_id="KASUS/1 a"))
    post(gateway, "/v1/payments", payment_body(case_id="KASUS/1 a"))
    for table in ("requests", "payments"):
        world.wait_rows("satu_data", f"SELECT count(*) FROM satu_data.{table}", 1)
    wait_until(lambda: text_of(driver, "#events").count("KASUS/1 a") == 2, 20, "both lines")
    click(driver, "#events a")
    wait_until(lambda: len(driver.find_elements("css selector", "#panel-body .life > li")) == 2, 20, "the case's two events")
    life = text_of(driver, "#panel-body")
    assert life.index("Permohonan") < life.index("Pembayaran") and "Rp300.000" in life
    assert "Siti" not in driver.page_source and "Budi" not in driver.page_source
    assert driver.current_url == f"{monitor.url}/cases/{VILLAGES[0]}/KASUS%2F1%20a"
    assert axe_findings(driver) == []
    driver.refresh()  # as a colleague who was sent the address
    wait_until(lambda: len(driver.find_elements("css selector", "#panel-body .life > li")) == 2, 30, "the case by its address")
    click(driver, "#panel-body a")
    wait_text(driver, "#panel-title", "Padomasan")
    driver.back()
    wait_text(driver, "#panel-title", "KASUS/1 a")
    assert complaints(driver) == []


def test_a_stranger_is_told_how_to_come_in_and_a_token_lets_him(lonely, browse):  # noqa: F811
    path = os.path.join(lonely.folder, "tokens")
    write(path, f"dinding {hashlib.sha256(b'rahasia-dinding').hexdigest()} watch\n", 0o600)
    monitor = lonely.monitor(tokens=path)
    driver = browse(monitor.url + f"/villages/{VILLAGES[0]}")
    wait_until(lambda: is_shown(driver, "#access"), 20, "the way in")
    assert "Diskominfo" in text_of(driver, "#access") and not is_shown(driver, "#picture") and not is_shown(driver, "#panel")
    assert "Padomasan" not in driver.page_source and axe_findings(driver) == []
    type_into(driver, "#token", "raha\u200bsia…")  # as a chat gives it: no header can carry it
    press(driver, Keys.ENTER)
    wait_text(driver, "#token-fault", "Token ini tidak dikenal")
    assert is_shown(driver, "#access") and driver.execute_script("return sessionStorage.length") == 0
    type_into(driver, "#token", "tebakan")
    click(driver, "#access-form button")
    wait_text(driver, "#token-fault", "Token ini tidak dikenal")
    type_into(driver, "#token", "rahasia-dinding")
    press(driver, Keys.ENTER)
    wait_until(lambda: is_shown(driver, "#picture") and not is_shown(driver, "#access"), 20, "the picture")
    wait_text(driver, "#clock", "WIB")
    wait_text(driver, "#panel-title", "Padomasan")
    driver.refresh()  # the tab remembers
    wait_text(driver, "#clock", "WIB")
    assert not is_shown(driver, "#access") and "rahasia" not in driver.current_url and driver.get_cookies() == []
    click(driver, "#panel-close")
    click(driver, "#leave")
    wait_until(lambda: is_shown(driver, "#access"), 20, "out again")
    assert driver.execute_script("return sessionStorage.length") == 0


def test_only_own_sources_are_allowed_and_nothing_stands_inline(world):
    monitor = world.monitor()
    for path in ("/", "/villages/35.09.01.2001", "/cases/35.09.01.2001/SKTM-1"):
        status, text = monitor.get(path)
        assert status == 200 and "<script>" not in text and "style=" not in text and " onclick" not in text
    status, licence = monitor.get("/assets/LICENSE")
    assert status == 200 and "MIT License" in licence and "Leon Sorokin" in licence


def events_of_replay(driver):
    return driver.execute_script("return [...document.querySelectorAll('#replayed a.line')].map((line) => line.textContent)")


def test_an_hour_is_shown_again_while_the_live_view_goes_on(world, browse):  # noqa: F811
    gateway = world.gateway()
    monitor = world.monitor(["dinsos"])
    for number in range(6):
        post(gateway, "/v1/payments", payment_body(case_id=f"LALU-{number}"))
    driver = open_page(browse, monitor)
    wait_text(driver, "#events", "LALU-5")
    now = int(time.time()) // 60 * 60 + 7 * 3600  # typed in WIB, whatever the browser's own clock
    for field, at in (("#replay-from", now - 3600), ("#replay-to", now + 60)):
        type_into(driver, field, time.strftime("%Y-%m-%dT%H:%M", time.gmtime(at)))
    type_into(driver, "#replay-speed", "max")
    click(driver, "#replay-start")
    wait_until(lambda: len(events_of_replay(driver)) == 6, 30, "six events again")
    wait_text(driver, "#replay-count", "selesai")
    assert "LALU-5" in events_of_replay(driver)[0] and "LALU-0" in events_of_replay(driver)[5]
    assert "PUTAR ULANG" in text_of(driver, "#replaying") and is_shown(driver, "#replaying")
    assert is_shown(driver, "#worst") and is_shown(driver, ".departments .live") and not is_shown(driver, "#events")
    assert driver.execute_script("return document.querySelector('#board [data-code=\"35.09.01.2001\"]').dataset.state") == "sending"
    assert axe_findings(driver) == []
    # from the beginning again, one by one
    type_into(driver, "#replay-at", "0")
    wait_until(lambda: events_of_replay(driver) == [], 10, "an empty list at the beginning")
    for wanted in (1, 2, 3):
        click(driver, "#replay-step")
        wait_until(lambda wanted=wanted: len(events_of_replay(driver)) == wanted, 20, f"step {wanted}")
    assert "LALU-2" in events_of_replay(driver)[0]
    # what happens meanwhile is there on the way back
    post(gateway, "/v1/payments", payment_body(case_id="KINI-1"))
    wait_text(driver, "#events", "KINI-1")
    assert not is_shown(driver, "#events")
    click(driver, "#replay-leave")
    wait_until(lambda: is_shown(driver, "#events") and not is_shown(driver, "#replaying"), 10, "back to now")
    assert complaints(driver) == []


def test_a_link_opens_its_replay_and_a_pause_goes_on_behind_the_last_event(world, browse):  # noqa: F811
    gateway = world.gateway()
    monitor = world.monitor()
    for number in range(3):
        post(gateway, "/v1/requests", request_body(case_id=f"TAUTAN-{number}"))
    wait_until(lambda: json.loads(monitor.get("/v1/summary")[1])["newest"] == 3, 30, "three events")
    begin = time.gmtime(time.time() - 600)
    end = time.gmtime(time.time() + 600)
    stamps = [time.strftime("%Y-%m-%dT%H:%M:%SZ", at) for at in (begin, end)]
    driver = open_page(browse, monitor, f"/?from={stamps[0]}&to={stamps[1]}&speed=1000&village=35.09.01.2001")
    wait_until(lambda: len(events_of_replay(driver)) == 3, 30, "three events again")
    assert "1.000× · 35.09.01.2001" in text_of(driver, "#replaying"), "that it is not everything"
    click(driver, "#replay-toggle")
    wait_text(driver, "#replay-toggle", "Putar")
    click(driver, "#replay-toggle")
    wait_text(driver, "#replay-count", "selesai", 60)
    assert len(events_of_replay(driver)) == 3, "none is shown twice"


def test_a_link_names_several_topics_a_speed_of_its_own_and_another_day(world, browse):  # noqa: F811
    gateway = world.gateway()
    monitor = world.monitor()
    post(gateway, "/v1/requests", request_body(case_id="TAUTAN-R"))
    post(gateway, "/v1/payments", payment_body(case_id="TAUTAN-P"))
    post(gateway, "/v1/approvals", {"case_id": "TAUTAN-A", "service": "blt-dd", "step": "KADES", "decision": "ACCEPTED", "actor": {"role": "KADES"}})
    wait_until(lambda: json.loads(monitor.get("/v1/summary")[1])["newest"] == 3, 30, "three events")
    begin = time.time() - 2 * 86400
    span = [time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at)) for at in (begin, time.time() + 600)]
    topics = "&".join("topic=" + world.topic(name) for name in ("requests", "payments"))
    driver = open_page(browse, monitor, f"/?from={span[0]}&to={span[1]}&speed=500000&{topics}")
    wait_text(driver, "#replay-count", "selesai", 60)
    assert "TAUTAN-R" in text_of(driver, "#replayed") and "TAUTAN-P" in text_of(driver, "#replayed") and "TAUTAN-A" not in text_of(driver, "#replayed")
    assert "500.000×" in text_of(driver, "#replaying")
    assert str(time.gmtime(begin + 7 * 3600).tm_mday) + " " in text_of(driver, "#replaying"), "its day, as it is not today's"


def test_a_link_that_was_cut_off_says_so(lonely, browse):  # noqa: F811
    lonely.expects("monitor ")
    monitor = lonely.start(programs.monitor(lonely.folder, BINARIES, f"127.0.0.1:{free_port()}", lonely.schemas, []))
    for path, words in (("/cases/35.09.01.2001/", "Alamat ini tidak menunjuk"), ("/villages/", "Alamat ini tidak menunjuk"),
                        ("/cases/35.09.01.2001/%ff", "Satu Data"), ("/villages/35.09.01", "Tidak ada desa dengan kode ini")):
        driver = open_page(browse, monitor, path)
        wait_until(lambda driver=driver, words=words: words in text_of(driver, "#panel-body"), 20, f"{words} at {path}")


def test_a_broker_that_is_down_is_said_in_words_with_the_next_step(lonely, browse):  # noqa: F811
    lonely.expects("monitor ")
    nobody = f"127.0.0.1:{free_port()}"
    monitor = lonely.start(programs.monitor(lonely.folder, BINARIES, nobody, lonely.schemas, ["dinsos"]))
    driver = open_page(browse, monitor)
    wait_text(driver, "#worst", "Kafka tidak menjawab")
    assert "Jalankan kembali Kafka" in text_of(driver, "#next")
    assert driver.execute_script("return document.getElementById('sentence').className") == "bad"
    click(driver, "#language")
    wait_text(driver, "#worst", "Kafka does not answer")


def test_a_broker_that_dies_is_said_in_words_and_what_came_after_it_is_shown(world, servers, browse):  # noqa: F811
    world.expects("gateway-|monitor ")
    gateway = world.gateway()
    monitor = world.monitor()
    driver = open_page(browse, monitor)
    post(gateway, "/v1/requests", request_body(case_id="SEBELUM-MATI"))
    wait_text(driver, "#events", "SEBELUM-MATI")
    servers.kafka.stop(signal.SIGKILL)
    wait_text(driver, "#worst", "Kafka tidak menjawab")
    click(driver, "#replay-start")
    wait_text(driver, "#replay-count", "Kafka tidak menjawab")
    click(driver, "#replay-leave")
    assert post(gateway, "/v1/requests", request_body(case_id="SESUDAH-MATI"))[0] == 201
    servers.kafka.start()
    servers.kafka.wait()
    wait_text(driver, "#events", "SESUDAH-MATI")
    wait_until(lambda: "Kafka" not in text_of(driver, "#worst"), 90, "it is well again")
    assert text_of(driver, "#events").count("SEBELUM-MATI") == 1 and not is_shown(driver, "#stale")
