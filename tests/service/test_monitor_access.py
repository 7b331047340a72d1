# SPDX-License-Identifier: MIT
"""Who may look at the monitor: nothing is shown to a stranger."""
import hashlib
import http.client
import json
import os
import signal
import socket
import subprocess
import urllib.parse

import psycopg2
import pytest
from conftest import VILLAGES, payment_body, post, speak
from hub.base import Trouble, read, wait_until, write
from test_monitor_cases import CASE, live_a_case

WATCHER, AUDITOR = "rahasia-pengawas", "rahasia-auditor"
GUARDED = ("/v1/summary", "/v1/me", "/v1/villages", "/v1/villages/" + VILLAGES[0], "/v1/departments", CASE + "X", "/events", "/metrics",
           "/replay?from=2026-11-21T08:00:00Z&to=%2B1h", "/v1/minutes?from=2026-11-21T08:00:00Z&to=2026-11-21T09:00:00Z", "/v1/records/desa.requests/0/0")
OPEN = ("/", "/healthz", "/readyz", "/schemas/ids/1", "/subjects", "/config", "/mode", "/villages/" + VILLAGES[0])


def tokens_file(world, *lines):
    path = os.path.join(world.folder, "tokens")
    write(path, "".join(f"{name} {hashlib.sha256(secret.encode()).hexdigest()} {scopes}\n" for name, secret, scopes in lines), 0o600)
    return path


def bearer(secret, **more):
    return {"Authorization": f"Bearer {secret}", **{name.replace("_", "-"): value for name, value in more.items()}}


def test_nothing_is_shown_to_a_stranger(lonely):
    monitor = lonely.monitor(tokens=tokens_file(lonely, ("ruang-pantau", WATCHER, "watch")))
    for path in GUARDED:
        status, text = monitor.get(path, seconds=5)
        assert status == 401, path
        assert json.loads(text)["type"] == "urn:kentongan:problem:unauthorized" and "kunci akses" in json.loads(text)["detail_id"]
        assert monitor.get(path, bearer("tebakan"), seconds=5)[0] == 401
    for path in OPEN:
        assert monitor.get(path)[0] in (200, 503), path
    for path in GUARDED[:5]:
        assert monitor.get(path, bearer(WATCHER))[0] == 200, path
    assert "rahasia" not in lonely.logs() and "tebakan" not in lonely.logs()


def test_who_asks_is_told_his_name_and_roles(lonely):
    path = tokens_file(lonely, ("ruang-pantau", WATCHER, "watch"), ("inspektorat", AUDITOR, "audit"))
    monitor = lonely.monitor(tokens=path)
    for secret, name, roles in ((WATCHER, "ruang-pantau", ["watch"]), (AUDITOR, "inspektorat", ["watch", "audit"])):
        assert json.loads(monitor.get("/v1/me", bearer(secret))[1]) == {"name": name, "roles": roles}


def test_whose_token_is_taken_away_sees_no_more_of_an_open_stream(lonely):
    path = tokens_file(lonely, ("ruang-pantau", WATCHER, "watch"), ("inspektorat", AUDITOR, "audit"))
    monitor = lonely.monitor(tokens=path)
    place = urllib.parse.urlsplit(monitor.url)
    streams = []
    for secret in (WATCHER, AUDITOR):
        stream = http.client.HTTPConnection(place.hostname, place.port, timeout=20)
        stream.request("GET", "/events", headers=bearer(secret))
        streams.append(stream.getresponse())
        assert streams[-1].status == 200 and streams[-1].readline()
    tokens_file(lonely, ("ruang-pantau", WATCHER, "watch"))
    monitor.process.send(signal.SIGHUP)
    for stream in streams:
        stream.read()  # to its end: both must ask again
    assert monitor.get("/v1/me", bearer(WATCHER))[0] == 200
    assert monitor.get("/events", bearer(AUDITOR), seconds=5)[0] == 401


def test_without_tokens_everybody_on_the_machine_watches_and_no_more(lonely):
    assert json.loads(lonely.monitor().get("/v1/me")[1]) == {"name": "local", "roles": ["watch"]}


def test_no_answer_sets_a_cookie_and_the_page_runs_no_script_of_its_own(lonely):
    monitor = lonely.monitor()
    for path in (*OPEN, "/v1/summary"):
        head = speak(monitor.url, f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()).split(b"\r\n\r\n")[0].decode()
        assert "set-cookie" not in head.lower(), path
        assert "x-content-type-options: nosniff" in head.lower(), path
        if path == "/":
            policy = [line for line in head.splitlines() if line.lower().startswith("content-security-policy")][0]
            assert "default-src 'none'" in policy and "script-src 'self'" in policy and "unsafe" not in policy
    page = monitor.get("/")[1]
    assert "<script>" not in page and " onclick=" not in page and " style=" not in page


def test_another_name_that_points_here_sees_nothing(lonely):
    monitor = lonely.monitor(hosts="pantau.example")
    ask = "GET /v1/summary HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n"
    for host, status in (("evil.example", b" 403 "), ("pantau.example", b" 200 "), ("127.0.0.1:80", b" 200 "), ("localhost", b" 200 ")):
        assert status in speak(monitor.url, (ask % host).encode()).split(b"\r\n")[0], host


def test_personal_data_needs_the_role_and_a_reason_and_is_kept(world):
    live_a_case(world, "BUKA")
    path = tokens_file(world, ("ruang-pantau", WATCHER, "watch"), ("inspektorat", AUDITOR, "watch,audit"))
    monitor = world.monitor(["satu_data"], tokens=path,
                            satu_data=world.conninfo("satu_data", f"monitor_satu_data_{world.tag}"))
    status, text = monitor.get(CASE + "BUKA", bearer(AUDITOR))
    assert status == 200 and "Siti" not in text
    assert monitor.get(CASE + "BUKA", bearer(WATCHER, X_Kentongan_Reason="ingin tahu saja"))[0] == 403
    assert monitor.get(CASE + "BUKA", bearer(AUDITOR, X_Kentongan_Reason="x"))[0] == 400
    assert world.sql("satu_data", "SELECT count(*) FROM kentongan.audit")[0][0] == 0
    status, text = monitor.get(CASE + "BUKA", bearer(AUDITOR, X_Kentongan_Reason="aduan 12/2026"))
    assert status == 200
    assert json.loads(text)["events"][0]["applicant_name"] == "Siti Rahayu"
    assert json.loads(text)["events"][0]["applicant_nik"] == "9909010101900001"
    assert world.sql("satu_data", "SELECT who, what, reason, village_code, case_id FROM kentongan.audit") == [
        ("inspektorat", "case", "aduan 12/2026", VILLAGES[0], "BUKA")]
    assert "Siti" not in world.logs() and "rahasia" not in world.logs()


def test_who_sees_the_past_again_is_kept_also_where_it_is_masked(world):
    world.department("satu_data")
    monitor = world.monitor(tokens=tokens_file(world, ("ruang-pantau", WATCHER, "watch")),
                            satu_data=world.conninfo("satu_data", f"monitor_satu_data_{world.tag}"))
    past = f"/replay?from=2026-01-01T00:00&to=%2B5000d&speed=max&topic=payments&village={VILLAGES[0]}&district=35.09.01"
    assert monitor.get(past, bearer(WATCHER, X_Kentongan_Reason="ingin tahu saja"))[0] == 403
    assert monitor.get(past, bearer(WATCHER))[0] == 200
    kept = "SELECT who, what, reason, village_code, case_id FROM kentongan.audit"
    wait_until(lambda: world.sql("satu_data", kept), 20, "a row that tells")
    (who, what, *rest), = world.sql("satu_data", kept)
    assert who == "ruang-pantau" and rest == ["", VILLAGES[0], None]
    assert what.startswith("replay from 2025-12-31T17:00:00") and what.endswith(f" {world.topic('payments')} district 35.09.01")


def test_the_monitors_role_may_only_read(world):
    world.department("satu_data")
    connection = psycopg2.connect(world.conninfo("satu_data", f"monitor_satu_data_{world.tag}"))
    for text in ("DELETE FROM satu_data.requests", "UPDATE satu_data.payments SET amount = 0", "DELETE FROM kentongan.audit",
                 "SELECT * FROM kentongan.dead_letter", "SELECT kentongan.waive(1, 'x', 'y')", "CREATE TABLE satu_data.x ()"):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege), connection, connection.cursor() as cursor:
            cursor.execute(text)
    connection.close()


def ask_socket(path, *arguments):
    """(status, body) over a socket file."""
    done = subprocess.run(["curl", "-s", "--max-time", "5", "--unix-socket", path, "-w", "\n%{http_code}", *arguments],
                          capture_output=True, text=True, check=False)
    body, _, status = done.stdout.rpartition("\n")
    return int(status or 0), body


def test_a_proxy_says_who_asks_over_a_socket_file(lonely, tmp_path):
    path, roles = str(tmp_path / "m.sock"), os.path.join(lonely.folder, "roles")
    write(roles, "# pengguna peran\nrina watch\n", 0o600)
    settings = {"listen": "unix:" + path, "user_header": "X-Remote-User", "roles": roles}
    for _ in range(2):  # the second start finds the file that the first left behind
        monitor = lonely.monitor(wait=False, **settings)
        wait_until(lambda: ask_socket(path, "http://pantau/healthz")[0] == 200, 20, "it listens", monitor.process.is_running)
        assert os.stat(path).st_mode & 0o777 == 0o660
        assert ask_socket(path, "http://pantau/v1/summary")[0] == 401
        assert ask_socket(path, "-H", "X-Remote-User: tamu", "http://pantau/v1/summary")[0] == 401
        assert ask_socket(path, "-H", "X-Remote-User: rina", "http://pantau/v1/summary")[0] == 200
        assert ask_socket(path, "-H", "X-Remote-User: rina", "-H", "x-remote-user: tamu", "http://pantau/v1/summary")[0] == 401
        write(roles, "rina watch\ntamu watch\n", 0o600)
        monitor.process.send(signal.SIGHUP)
        wait_until(lambda: ask_socket(path, "-H", "X-Remote-User: tamu", "http://pantau/v1/summary")[0] == 200, 20, "roles are read again")
        write(roles, "rina watch\n", 0o600)
        monitor.process.send(signal.SIGKILL)
        wait_until(lambda: not monitor.process.is_running(), 20, "it is gone")


def test_a_file_in_the_place_of_a_socket_file_stays(lonely, tmp_path):
    lonely.expects("Address already in use")
    path, roles = str(tmp_path / "surat"), os.path.join(lonely.folder, "roles")
    write(path, "pribadi\n")
    write(roles, "rina watch\n", 0o600)
    monitor = lonely.monitor(wait=False, listen="unix:" + path, user_header="X-Remote-User", roles=roles)
    wait_until(lambda: not monitor.process.is_running(), 20, "it ends")
    assert read(path) == "pribadi\n"


@pytest.mark.parametrize("settings, words", [
    ({"listen": "0.0.0.0:0"}, "set tokens to a file"),
    ({"listen": "127.0.0.1:99999"}, "a port up to 65535"),
    ({"user_header": "X-Remote-User", "roles": "/nonexistent"}, "anybody could send it"),
    ({"listen": "unix:/tmp/x.sock", "user_header": "X-Remote-User"}, "belong together"),
    ({"tokens": "/nonexistent/tokens"}, "/nonexistent/tokens: No such file"),
    ({"tokens": "/etc/passwd"}, "others may read"),
    ({"history": 0}, "history takes a whole number from 1 on"),
    ({"replays": 0}, "replays takes a whole number from 1 on"),
])
def test_settings_that_would_let_strangers_in_or_show_nothing_are_refused(lonely, settings, words):
    lonely.expects(".")
    with pytest.raises(Trouble):
        lonely.monitor(**settings)
    assert words in lonely.logs()
    (monitor,) = lonely.started
    checked = subprocess.run([monitor.binary, "--conf", monitor.conf, "--check"], capture_output=True, text=True, timeout=20, check=False)
    assert checked.returncode == 78 and words in checked.stderr


def test_settings_that_fit_pass_the_check(lonely):
    path = tokens_file(lonely, ("ruang-pantau", WATCHER, "watch"))
    monitor = lonely.monitor(tokens=path)
    checked = subprocess.run([monitor.binary, "--conf", monitor.conf, "--check"], capture_output=True, text=True, timeout=20, check=False)
    assert checked.returncode == 0 and checked.stderr == "" and f"tokens = {path}" in checked.stdout


def open_replay(monitor, secret):
    """A replay that goes on until its connection is closed: (status line, connection)."""
    place = urllib.parse.urlsplit(monitor.url)
    connection = socket.create_connection((place.hostname, place.port), timeout=20)
    connection.sendall((f"GET /replay?from=2026-01-01T00:00&to=%2B5000d&speed=0.01 HTTP/1.1\r\nHost: localhost\r\n"
                        f"Authorization: Bearer {secret}\r\n\r\n").encode())
    return connection.recv(4096).split(b"\r\n")[0], connection


def test_one_person_cannot_keep_everybody_else_out(world):
    path = tokens_file(world, ("ruang-pantau", WATCHER, "watch"), ("inspektorat", AUDITOR, "watch"))
    monitor = world.monitor(tokens=path, replays_each=2, replays=3)
    for count, village in enumerate(VILLAGES[:2], 1):  # so far apart that a replay of both takes its time
        assert post(world.gateway(village), "/v1/payments", payment_body())[0] == 201
        wait_until(lambda: json.loads(monitor.get("/v1/summary", bearer(WATCHER))[1])["newest"] == count, 90, "it is seen")
    own = [open_replay(monitor, WATCHER) for _ in range(2)]
    assert [line.split()[1] for line, _ in own] == [b"200", b"200"]
    status, text = monitor.get("/replay?from=2026-01-01T00:00&to=%2B5000d", bearer(WATCHER))
    assert status == 429 and "tutup salah satu" in json.loads(text)["detail_id"]
    others = open_replay(monitor, AUDITOR)
    assert others[0].split()[1] == b"200"
    assert monitor.get("/replay?from=2026-01-01T00:00&to=%2B5000d", bearer(AUDITOR))[0] == 503
    own[0][1].close()
    wait_until(lambda: monitor.get("/replay?from=2026-01-01T00:00&to=%2B1d", bearer(WATCHER))[0] == 200, 20, "a seat is free again")
    own[1][1].close()
    others[1].close()
