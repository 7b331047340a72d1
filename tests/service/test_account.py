# SPDX-License-Identifier: MIT
"""`kentongan account`: what became of every number, for every village, topic and department."""
import json
import os
import subprocess

import confluent_kafka
from conftest import BINARIES, PROJECT, VILLAGES, payment_body, post, request_body
from hub import programs
from hub.base import wait_until


def account(world, *departments, village=None):
    words = [os.path.join(BINARIES, "kentongan"), "account", "--json", "--brokers", world.brokers, "--schemas", world.schemas]
    for name in departments:
        words += [f"--departments.{name}", world.conninfo(name)]
    words += ["--village", village] if village else []
    done = subprocess.run(words, cwd=PROJECT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return {(row["village_code"], row["topic"].split(".")[1]): row for row in json.loads(done.stdout)}


def test_every_number_is_accounted_for(world):
    world.expects("dead letter class=data")
    first, second = world.gateway(VILLAGES[0]), world.gateway(VILLAGES[1])
    world.department("dinsos")
    programs.post_batch(first, [{"record": "Payment", **payment_body(case_id=case, amount=amount)} for case, amount in
                                [("A", "1.00"), ("A", "9000000.00"), ("A", "3.00"), ("B", "4.00")]])
    assert post(second, "/v1/requests", request_body())[0] == 201
    world.sink("dinsos")
    world.sink("dpmd")
    world.wait_rows("dpmd", "SELECT coalesce(sum(applied), 0)::int FROM kentongan.stream_position", 5)
    world.wait_rows("dinsos", "SELECT coalesce(sum(applied + dead + parked), 0)::int FROM kentongan.stream_position", 5)
    first.stop()
    first.start()  # a village speaks when it starts, else each minute
    wait_until(lambda: account(world, "dinsos").get((VILLAGES[0], "payments"), {}).get("accepted") == 4, 60, "the village's word")
    seen = account(world, "dinsos", "dpmd")
    row = seen[(VILLAGES[0], "payments")]
    assert (row["accepted"], row["in_kafka"], row["not_in_kafka"]) == (4, 4, "{}")
    dinsos, dpmd = row["departments"]
    assert (dinsos["applied"], dinsos["waiting"], dinsos["dead"], dinsos["pending"], dinsos["missing"]) == (2, 1, 1, 0, 0)
    assert (dpmd["applied"], dpmd["waiting"], dpmd["dead"], dpmd["pending"], dpmd["missing"]) == (4, 0, 0, 0, 0)
    assert seen[(VILLAGES[1], "requests")]["in_kafka"] == 1
    assert {share["pending"] for row in seen.values() for share in row["departments"]} == {0}, "also where nothing was sent yet"
    assert {code for code, _ in account(world, village=VILLAGES[1])} == {VILLAGES[1]}


def test_what_no_sink_takes_is_not_counted_and_a_marker_is_no_record(world):
    """A transaction's end takes an offset; a record in a strange partition is no word of its village's."""
    world.expects("dead letter class=origin")
    gateway = world.gateway(VILLAGES[0])
    assert post(gateway, "/v1/payments", payment_body())[0] == 201
    topic = world.topic("payments")
    consumer = confluent_kafka.Consumer({"bootstrap.servers": world.brokers, "group.id": world.tag + "-copy", "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    found = []
    wait_until(lambda: found.append(consumer.poll(1)) or found[-1], 60, "the payment")
    consumer.close()
    payment = found[-1]
    producer = confluent_kafka.Producer({"bootstrap.servers": world.brokers, "transactional.id": world.tag})
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce(topic, value=payment.value(), key=payment.key(), partition=payment.partition())  # again
    producer.produce(topic, value=payment.value(), key=payment.key(), partition=(payment.partition() + 1) % 12)
    producer.commit_transaction(30)
    sink = world.sink("satu_data")
    wait_until(lambda: len(world.dead_letters("satu_data")) == 1, 60, "the strange one")
    row = account(world, "satu_data")[(VILLAGES[0], "payments")]
    assert (row["in_kafka"], row["not_in_kafka"], row["departments"][0]["applied"], row["departments"][0]["pending"]) == (1, "{}", 1, 0)
    lags = [f'kentongan_sink_lag_records{{topic="{topic}",partition="{(payment.partition() + more) % 12}"}}' for more in (0, 1)]
    wait_until(lambda: [sink.metrics().get(lag) for lag in lags] == [0, 0], 30, "nothing waits")


def test_a_department_of_today_owes_nothing_of_yesterday(world):
    gateway = world.gateway(VILLAGES[0])
    assert post(gateway, "/v1/payments", payment_body())[0] == 201
    wait_until(lambda: json.loads(gateway.get("/v1/status")[1])["pending"] == 0, 60, "it is in Kafka")
    folder = world.department("dinsos")
    world.rewrite(os.path.join(folder, "department.conf"), "^schema = dinsos$", "schema = dinsos\nstart = latest")
    world.sink("dinsos")
    world.wait_rows("dinsos", "SELECT count(*) FROM kentongan.log_position WHERE topic LIKE '%%payments' AND next_offset > 0", 1)
    assert account(world, "dinsos")[(VILLAGES[0], "payments")]["departments"][0]["pending"] == 0


def test_a_repeat_from_before_a_department_was_born_is_none_of_its_own(world):
    """Another department asked the village for it; the topic is everybody's."""
    gateway = world.gateway(VILLAGES[0])
    for number in range(5):
        assert post(gateway, "/v1/payments", payment_body(case_id=f"A-{number}"))[0] == 201
    wait_until(lambda: json.loads(gateway.get("/v1/status")[1])["pending"] == 0, 60, "it is in Kafka")
    folder = world.department("dinsos")
    world.rewrite(os.path.join(folder, "department.conf"), "^schema = dinsos$", "schema = dinsos\nstart = latest")
    sink = world.sink("dinsos")
    world.wait_rows("dinsos", "SELECT count(*) FROM kentongan.log_position WHERE topic LIKE '%%payments' AND next_offset > 0", 1)
    assert post(gateway, "/v1/payments", payment_body(case_id="B"))[0] == 201
    world.wait_rows("dinsos", "SELECT count(*) FROM dinsos.penyaluran_blt", 1)
    assert post(gateway, "/v1/resend", {"topic": world.topic("payments"), "from_seq": 2, "to_seq": 3})[0] == 202
    wait_until(lambda: sink.metrics().get("kentongan_sink_repeated_events_total") == 2, 60, "they come again")
    assert world.sql("dinsos", "SELECT first_seq::int, high_seq::int, applied::int, missing::int FROM kentongan.stream_position") == [(6, 6, 1, 0)]
