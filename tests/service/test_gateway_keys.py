# SPDX-License-Identifier: MIT
"""A sender's key: one event, whichever way it comes, however often, at once, and after a restart."""
import concurrent.futures
import json
import signal

from conftest import payment_body, post

NOWHERE = "127.0.0.1:1"


def batch(gateway, *lines):
    return post(gateway, "/v1/batch", "".join(json.dumps(line) + "\n" for line in lines), Content_Type="application/x-ndjson")


def last_seq(gateway):
    return sum(stream["last_seq"] for stream in json.loads(gateway.get("/v1/status")[1])["topics"])


def test_a_key_works_across_single_posts_and_batches(lonely):
    lonely.expects("link down")
    gateway = lonely.gateway(brokers=NOWHERE)
    status, first = post(gateway, "/v1/payments", payment_body(), Idempotency_Key="kunci-1")
    assert status == 201
    line = {"record": "Payment", **payment_body(), "idempotency_key": "kunci-1"}
    status, answer = batch(gateway, line, {**line, "idempotency_key": "kunci-2"})
    assert status == 201 and answer["receipts"][0] == first and answer["receipts"][1]["seq"] == 2
    status, again = post(gateway, "/v1/payments", payment_body(), Idempotency_Key="kunci-2")
    assert status == 200 and again == answer["receipts"][1]
    status, problem = batch(gateway, {**line, "amount": "1.00"})
    assert status == 422 and problem["errors"][0]["line"] == 1
    assert last_seq(gateway) == 2


def test_many_at_once_are_one_event(lonely):
    lonely.expects("link down")
    gateway = lonely.gateway(brokers=NOWHERE)
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: post(gateway, "/v1/payments", payment_body(), Idempotency_Key="satu"), range(64)))
    assert sorted({status for status, _ in answers}) == [200, 201]
    assert [status for status, _ in answers].count(201) == 1
    assert len({json.dumps(receipt, sort_keys=True) for _, receipt in answers}) == 1 and last_seq(gateway) == 1


def test_a_key_outlives_a_kill(lonely):
    lonely.expects("link down")
    gateway = lonely.gateway(brokers=NOWHERE)
    first = post(gateway, "/v1/payments", payment_body(), Idempotency_Key="kunci-1")[1]
    gateway.process.stop(signal.SIGKILL)
    gateway.start()
    gateway.wait()
    assert post(gateway, "/v1/payments", payment_body(), Idempotency_Key="kunci-1") == (200, first)
    assert post(gateway, "/v1/payments", payment_body(amount="1.00"), Idempotency_Key="kunci-1")[0] == 422


def test_a_key_that_comes_with_a_known_event_is_its_key_from_then_on(lonely):
    lonely.expects("link down")
    gateway = lonely.gateway(brokers=NOWHERE)
    own = payment_body(event_id="0193b3a4-5f0e-4c1d-9a77-2f1f7b7b0001")
    assert post(gateway, "/v1/payments", own)[0] == 201
    assert post(gateway, "/v1/payments", own, Idempotency_Key="kunci-baru")[0] == 200
    gateway.process.stop(signal.SIGKILL)
    gateway.start()
    gateway.wait()
    assert post(gateway, "/v1/payments", payment_body(case_id="LAIN"), Idempotency_Key="kunci-baru")[0] == 422
    assert post(gateway, "/v1/payments", own, Idempotency_Key="kunci-baru")[0] == 200
    other = payment_body(event_id="0193b3a4-5f0e-4c1d-9a77-2f1f7b7b0002", case_id="LAIN")
    assert post(gateway, "/v1/payments", other)[0] == 201
    assert post(gateway, "/v1/payments", other, Idempotency_Key="kunci-baru")[0] == 422, "it is another event's"
    assert last_seq(gateway) == 2
