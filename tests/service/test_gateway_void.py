# SPDX-License-Identifier: MIT
"""A number that a person takes out of its stream: told, kept, sent as a void, and the rest goes on."""
import json
import secrets

from conftest import payment_body, post
from hub.base import wait_until
from test_gateway_broker import limit, status

NOWHERE = "127.0.0.1:1"


def void(gateway, receipt, **order):
    return post(gateway, f"/v1/events/{receipt['event_id']}/void", order)


def test_a_void_takes_the_number_of_its_event(world):
    world.expects("link down")
    gateway = world.gateway(brokers=NOWHERE)
    receipts = [post(gateway, "/v1/payments", payment_body(case_id=f"kasus-{number}"), Idempotency_Key=f"kunci-{number}")[1]
                for number in range(3)]
    code, receipt = void(gateway, receipts[1], reason="salah ketik, dicatat dua kali")
    assert code == 201 and receipt["state"] == "VOID" and receipt["seq"] == 2 and "salah ketik" in receipt["reason"]
    code, again = post(gateway, "/v1/payments", payment_body(case_id="kasus-1"), Idempotency_Key="kunci-1")
    assert code == 200 and again["state"] == "VOID", "its key still knows it"
    gateway.stop()
    gateway = world.gateway()
    wait_until(lambda: status(gateway)["pending"] == 0, 60, "delivered")
    assert json.loads(gateway.get(f"/v1/events/{receipts[1]['event_id']}")[1])["state"] == "VOID"
    world.sink("dpmd")
    world.wait_rows("dpmd", "SELECT count(*) FROM dpmd.keuangan", 2)
    wait_until(lambda: world.accounts("dpmd") == (2, 0, 0, 1), 60, "the void is counted")
    code, problem = void(gateway, receipts[0], reason="terlambat")
    assert code == 422 and problem["type"] == "urn:kentongan:problem:delivered"
    assert "salah ketik" not in world.logs() and "terlambat" not in world.logs()


def test_an_order_without_reason_or_event_changes_nothing(lonely):
    lonely.expects("link down")
    gateway = lonely.gateway(brokers=NOWHERE)
    receipt = post(gateway, "/v1/payments", payment_body())[1]
    code, problem = void(gateway, receipt)
    assert code == 422 and problem["errors"][0]["pointer"] == "/reason"
    assert void(gateway, receipt, reason="x", seq=7)[0] == 422
    assert void(gateway, {"event_id": "00000000-0000-4000-8000-000000000000"}, reason="tidak ada")[0] == 404
    assert post(gateway, f"/v1/events/{receipt['event_id']}/hapus", {"reason": "x"})[0] == 404
    assert json.loads(gateway.get(f"/v1/events/{receipt['event_id']}")[1])["state"] == "ACCEPTED"


def test_a_void_frees_what_waits_behind_a_refused_event(world):
    world.expects("the broker refuses|delivery failed|link")
    limit(world, 900)
    gateway = world.gateway(blocked_retry_ms=500)
    noise = secrets.token_hex(400)  # the batch is compressed
    actor = {"role": "TREASURER", "name": noise[:200]}
    payer = {"nik": "9909010101900002", "name": noise[200:400]}
    large = post(gateway, "/v1/payments", payment_body(reference=noise[400:600], actor=actor, payer=payer))[1]
    assert post(gateway, "/v1/payments", payment_body())[0] == 201
    wait_until(lambda: status(gateway)["link"]["state"] == "blocked", 60, "blocked")
    assert void(gateway, large, reason="terlalu besar, dicatat ulang")[0] == 201
    wait_until(lambda: status(gateway)["pending"] == 0, 60, "the other one left")
