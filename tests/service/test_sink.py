# SPDX-License-Identifier: MIT
"""Each department has each event exactly once, whatever is on the topics and whatever dies."""
import json
import os
import re
import shutil
import signal
import subprocess
import threading
import zlib

import psycopg2
import pytest
from conftest import BINARIES, FULL, PROJECT, VILLAGES, payment_body, post, request_body
from doors import Censor
from hub import programs
from hub.base import Trouble, wait_until

confluent_kafka = pytest.importorskip("confluent_kafka", reason="tests/run installs it into .venv")


def partition_of(village):
    return zlib.crc32(village.encode()) % 12


def write(world, topic, value, key=VILLAGES[0], partition=None):
    """Write bytes to a topic as a stranger would."""
    producer = confluent_kafka.Producer({"bootstrap.servers": world.brokers, "message.max.bytes": 1000000})
    producer.produce(world.topic(topic), value=value, key=key,
                     partition=partition_of(key) if partition is None else partition)
    assert producer.flush(20) == 0


def read_values(world, topic):
    """All values of a topic, as bytes."""
    consumer = confluent_kafka.Consumer({"bootstrap.servers": world.brokers, "group.id": world.tag + "-look",
                                         "auto.offset.reset": "earliest", "enable.partition.eof": True})
    consumer.assign([confluent_kafka.TopicPartition(world.topic(topic), number, 0) for number in range(12)])
    found, ended = [], 0
    while ended < 12:
        message = consumer.poll(10)
        assert message is not None
        if message.error():
            ended += 1
        else:
            found.append(message.value())
    consumer.close()
    return found


@pytest.fixture
def value(world):
    """A good Request's bytes, as the gateway wrote them."""
    gateway = world.gateway()
    assert post(gateway, "/v1/requests", request_body())[0] == 201
    wait_until(lambda: read_values(world, "requests"), 20, "the event in Kafka")
    return read_values(world, "requests")[0]


STRANGERS = {
    "no framing": (lambda value: b"hello", "framing"),
    "nothing": (lambda value: b"", "framing"),
    "unknown id": (lambda value: b"\0\0\0\0\x63" + value[5:], "unknown-schema"),
    "another topic's record": (lambda value: b"\0\0\0\0\x03" + value[5:], "unknown-schema"),
    "truncated": (lambda value: value[:-7], "decode"),
    "left over": (lambda value: value + b"\0", "decode"),
    "900 KiB of noise": (lambda value: b"\0\0\0\0\x01" + bytes(range(256)) * 3600, "decode"),
    "NUL in a name": (lambda value: value.replace(b"Siti Rahayu", b"Siti\0Rahayu"), "decode"),
    "not UTF-8": (lambda value: value.replace(b"Siti Rahayu", b"Siti\xffRahayu"), "decode"),
}


def test_a_strangers_message_is_one_dead_letter_and_the_rest_flows(world, value):
    world.expects("dead letter class=")
    for make, _ in STRANGERS.values():
        write(world, "requests", make(value))
    gateway = world.started[0]
    world.sink("satu_data")
    assert post(gateway, "/v1/requests", request_body(case_id="sesudah"))[0] == 201
    world.wait_rows("satu_data", "SELECT count(*) FROM satu_data.requests", 2)
    letters = world.dead_letters("satu_data")
    assert [letter[0] for letter in letters] == [kind for _, kind in STRANGERS.values()]
    assert all(letter[3] for letter in letters)
    assert world.accounts("satu_data") == (2, 0, 0, 0)
    assert "Rahayu" not in world.logs() and "Rahayu" not in json.dumps(letters)


def test_key_partition_and_village_must_agree(world, value):
    world.expects("dead letter class=origin")
    write(world, "requests", value, key=VILLAGES[1])
    write(world, "requests", value, partition=(partition_of(VILLAGES[0]) + 1) % 12)
    world.sink("dinsos")
    wait_until(lambda: len(world.dead_letters("dinsos")) == 2, 20, "two dead letters")
    assert {letter[0] for letter in world.dead_letters("dinsos")} == {"origin"}
    world.wait_rows("dinsos", "SELECT count(*) FROM dinsos.permohonan_sktm", 1)


def test_a_village_code_that_breaks_out_of_its_quotes_is_set_aside(world, value):
    """Thirteen bytes of anybody's key and value come near SQL and JSON text."""
    world.expects("dead letter class=")
    names = ["35.09'; -- 01", '35.09","a":"1', "35.09.01.\\001"]
    assert all(len(name) == len(VILLAGES[0]) for name in names)
    for name in names:
        write(world, "requests", value.replace(VILLAGES[0].encode(), name.encode()), key=name)
        write(world, "requests", b"\0\0\0\0\x63" + value[5:], key=name)
    world.sink("dinsos")
    world.wait_rows("dinsos", "SELECT count(*) FROM dinsos.permohonan_sktm", 1)
    wait_until(lambda: len(world.dead_letters("dinsos")) == 6, 30, "six dead letters")
    assert {letter[0] for letter in world.dead_letters("dinsos")} == {"origin", "unknown-schema"}
    assert world.accounts("dinsos") == (1, 0, 0, 0)


def test_a_repeat_is_dropped_by_its_number(world, value):
    for _ in range(3):
        write(world, "requests", value)
    sink = world.sink("satu_data")
    wait_until(lambda: sink.metrics().get("kentongan_sink_repeated_events_total") == 3, 20, "three repeats")
    assert world.sql("satu_data", "SELECT count(*) FROM satu_data.requests") == [(1,)]
    assert world.accounts("satu_data") == (1, 0, 0, 0)


def test_a_number_too_far_away_is_set_aside(world, value):
    world.expects("dead letter class=sequence")
    at = value.index(b"35.09.01.2001") + 13 + 37  # behind village_code and incarnation: seq 1 is 02
    assert value[at:at + 1] == b"\x02"
    world.sink("satu_data")
    world.wait_rows("satu_data", "SELECT count(*) FROM satu_data.requests", 1)
    write(world, "requests", value[:at] + b"\xfe\xff\xff\xff\x0f" + value[at + 1:])
    wait_until(lambda: world.dead_letters("satu_data"), 20, "a dead letter")
    assert world.dead_letters("satu_data")[0][0] == "sequence"


def numbered(value, seq):
    """The event under another number, up to 63, and another id."""
    at = value.index(b"35.09.01.2001") + 13 + 37
    fresh = value[5 + 1:5 + 37].replace(value[5 + 1 + 34:5 + 37], b"%02x" % seq)
    return value[:6] + fresh + value[5 + 37:at] + bytes([seq * 2]) + value[at + 1:]


def test_however_many_are_missing_all_are_asked_for(world, value):
    for seq in range(3, 62, 2):
        write(world, "requests", numbered(value, seq))
    world.sink("satu_data")
    wait_until(lambda: world.accounts("satu_data")[2] == 30, 30, "thirty are missing")
    wait_until(lambda: {json.loads(order)["resend"]["from_seq"] for order in read_values(world, "commands")} == set(range(2, 62, 2)), 30,
               "the village is asked for each")


def test_missing_numbers_are_named_and_late_ones_fill_them(world, value):
    world.sink("satu_data")
    write(world, "requests", numbered(value, 5))
    wait_until(lambda: world.accounts("satu_data") == (2, 0, 3, 0), 20, "three are missing")
    assert world.sql("satu_data", "SELECT gaps::text FROM kentongan.stream_position") == [("{[2,5)}",)]
    wait_until(lambda: read_values(world, "commands"), 30, "the village is asked to send them again")
    order = json.loads(read_values(world, "commands")[0])["resend"]
    assert (order["topic"], order["from_seq"], order["to_seq"]) == (world.topic("requests"), 2, 4)
    write(world, "requests", numbered(value, 3))
    wait_until(lambda: world.accounts("satu_data") == (3, 0, 2, 0), 20, "one came late")
    assert world.sql("satu_data", "SELECT gaps::text FROM kentongan.stream_position") == [("{[2,3),[4,5)}",)]
    assert world.sql("satu_data", "SELECT seq FROM satu_data.requests WHERE late") == [(3,)]


def test_a_row_that_a_check_refuses_is_one_dead_letter_with_its_constraint(world):
    world.expects("dead letter class=data")
    gateway = world.gateway()
    lines = [{"record": "Payment", **payment_body(case_id=f"BLT-{number}", amount="9000000.00" if number == 7 else "300000.00")}
             for number in range(20)]
    programs.post_batch(gateway, lines)
    world.sink("dinsos")
    world.wait_rows("dinsos", "SELECT count(*) FROM dinsos.penyaluran_blt", 19)
    assert world.dead_letters("dinsos") == [("data", "23514", "penyaluran_blt_jumlah_check", "the department's tables refuse it")]
    assert world.accounts("dinsos") == (19, 1, 0, 0)
    assert world.sql("dinsos", "SELECT seq, case_id FROM kentongan.dead_letter") == [(8, "BLT-7")]
    assert "9000000" not in world.logs() and "9909010101900002" not in world.logs()


def test_a_wrong_mapping_halts_and_goes_on_when_mended(world):
    world.expects("halted: .*SQLSTATE 42703")
    sink = world.sink("dinsos")
    sink.stop()
    mapping = os.path.join(world.folder, "departments", f"dinsos_{world.tag}", "requests.sql")
    world.rewrite(mapping, "applicant_name,", "applicant_nama,")
    gateway = world.gateway()
    post(gateway, "/v1/requests", request_body())
    sink.start()
    wait_until(lambda: "42703" in sink.get("/readyz")[1], 20, "not ready")
    assert sink.get("/readyz")[0] == 503 and world.dead_letters("dinsos") == []
    sink.stop()
    world.rewrite(mapping, "applicant_nama,", "applicant_name,")
    sink.start()
    world.wait_rows("dinsos", "SELECT count(*) FROM dinsos.permohonan_sktm", 1)


def test_a_lost_table_halts_and_goes_on_without_a_restart(world):
    world.expects("halted: .*SQLSTATE 42P01")
    gateway = world.gateway()
    sink = world.sink("dinsos")
    wait_until(lambda: sink.get("/readyz")[0] == 200, 20, "ready")
    world.sql("dinsos", "ALTER TABLE dinsos.permohonan_sktm RENAME TO hilang")
    post(gateway, "/v1/requests", request_body())
    wait_until(lambda: sink.get("/readyz")[0] == 503, 20, "halted")
    world.sql("dinsos", "ALTER TABLE dinsos.hilang RENAME TO permohonan_sktm")
    world.wait_rows("dinsos", "SELECT count(*) FROM dinsos.permohonan_sktm", 1)
    assert world.dead_letters("dinsos") == []


def test_a_session_that_a_trigger_has_changed_is_left_behind(world):
    world.expects("halted: .*SQLSTATE 42P01")
    gateway = world.gateway()
    world.department("dinsos")
    world.sql("dinsos", "CREATE FUNCTION dinsos.geser() RETURNS trigger LANGUAGE plpgsql AS "
                        "$$ BEGIN IF NEW.case_id = 'SKTM-1' THEN SET search_path = public; END IF; RETURN NULL; END $$")
    world.sql("dinsos", "CREATE TRIGGER geser AFTER INSERT ON dinsos.permohonan_sktm FOR EACH ROW EXECUTE FUNCTION dinsos.geser()")
    world.sink("dinsos")
    for number in (1, 2):
        post(gateway, "/v1/requests", request_body(case_id=f"SKTM-{number}"))
        world.wait_rows("dinsos", "SELECT count(*) FROM dinsos.permohonan_sktm", number)
    assert world.dead_letters("dinsos") == []


class Load(threading.Thread):
    """Posts batches until told to stop; counts what was accepted."""

    def __init__(self, gateway, batches, size=100):
        super().__init__()
        self.gateway = gateway
        self.batches = batches
        self.size = size
        self.accepted = 0
        self.amount = 0

    def run(self):
        for batch in range(self.batches):
            lines = [{"record": "Payment", **payment_body(case_id=f"B-{batch}-{number}", amount=f"{1 + number}.00")}
                     for number in range(self.size)]
            programs.post_batch(self.gateway, lines)
            self.accepted += self.size
            self.amount += sum(range(1, self.size + 1))


def exact(world, load):
    """Everything that was accepted is there, once, with the right sum."""
    world.wait_rows("dpmd", "SELECT count(*) FROM dpmd.keuangan", load.accepted, 90)
    assert world.sql("dpmd", "SELECT count(*)::int, sum(jumlah)::int FROM dpmd.keuangan") == [(load.accepted, load.amount)]
    assert world.accounts("dpmd") == (load.accepted, 0, 0, 0)
    assert world.dead_letters("dpmd") == []


def test_killing_the_sink_loses_nothing_and_repeats_nothing(world):
    gateway = world.gateway()
    sink = world.sink("dpmd", batch_records=50)
    load = Load(gateway, 200 if FULL else 40)
    load.start()
    for _ in range(20 if FULL else 5):
        before = world.accounts("dpmd")[0]
        wait_until(lambda before=before: world.accounts("dpmd")[0] > before or not load.is_alive(), 30, "some rows")
        sink.process.stop(signal.SIGKILL)
        sink.start()
    load.join()
    exact(world, load)


def another(world, first):
    """A second sink of the same department, not yet started."""
    second = programs.Program(world.folder, "sink-second", first.binary, {**first.settings, "address_file": world.folder + "/run/second"})
    second.address_file = world.folder + "/run/second"
    return second


def shown(sink, metric, state=""):
    """Topic and partition of each line of a metric."""
    return {re.search('topic="[^"]*",partition="[0-9]*"', name)[0] for name in sink.metrics()
            if name.startswith(metric) and state in name}


def test_a_sink_speaks_of_its_own_partitions_only(world):
    first = world.sink("dpmd")
    wait_until(lambda: shown(first, "kentongan_sink_partition_state", "running"), 30, "it runs")
    every = shown(first, "kentongan_sink_partition_state")
    second = world.start(another(world, first))
    wait_until(lambda: shown(first, "kentongan_sink_partition_state", "running")
               == every - shown(second, "kentongan_sink_partition_state", "running") != every, 60, "each has its own")
    for metric in ("kentongan_sink_lag_records", "kentongan_sink_lag_seconds"):
        assert shown(first, metric) | shown(second, metric) == every
        assert not shown(first, metric) & shown(second, metric)


def test_two_sinks_of_one_department_share_and_stay_exact(world):
    world.expects("fenced|another sink|waiting")
    gateway = world.gateway()
    other = world.gateway(VILLAGES[1])
    first = world.sink("dpmd", batch_records=50)
    second = another(world, first)
    loads = [Load(gateway, 30), Load(other, 30)]
    for load in loads:
        load.start()
    world.start(second)
    for load in loads:
        load.join()
    second.stop()
    loads[0].accepted += loads[1].accepted
    loads[0].amount += loads[1].amount
    exact(world, loads[0])


def twin(world, name):
    """A second database of the same department, as somebody makes who copies its folder."""
    database, folder = f"kembar_{world.tag}", os.path.join(world.folder, "departments", f"kembar_{world.tag}")
    shutil.copytree(world.department(name), folder)
    world.rewrite(os.path.join(folder, "department.conf"), "^database = .*$", "database = " + database)
    world.servers.postgres.add_database(database)
    programs.kentongan(BINARIES, "department", "init", folder, "--schemas", world.schemas, "--database", world.conninfo("kembar"))
    return programs.sink(world.folder, BINARIES, folder, world.conninfo("kembar", "sink_" + database), world.brokers, world.schemas)


def test_two_databases_with_one_name_are_told_apart(world):
    """They share the group, so each gets some of the partitions; a database made anew is stopped by no old report."""
    world.expects("waiting: the sink of another database has the name ")
    gateway = world.gateway()
    first, second = world.sink("dpmd"), twin(world, "dpmd")
    assert post(gateway, "/v1/payments", payment_body(case_id="sebelum"))[0] == 201
    world.wait_rows("dpmd", "SELECT count(*) FROM dpmd.keuangan", 1)
    world.start(second)
    for sink in (first, second):
        wait_until(lambda sink=sink: "the sink of another database has the name dpmd_" in sink.get("/readyz")[1], 60, "each says so")
        assert sink.get("/readyz")[0] == 503
    first.stop()
    wait_until(lambda: second.get("/readyz")[0] == 200, 60, "the one that is left has all partitions")
    first.start()
    wait_until(lambda: second.get("/readyz")[0] == 503, 60, "until the other comes back")
    second.stop()
    wait_until(lambda: first.get("/readyz")[0] == 200, 60, "ready")
    assert post(gateway, "/v1/payments", payment_body(case_id="sesudah"))[0] == 201
    world.wait_rows("dpmd", "SELECT count(*) FROM dpmd.keuangan", 2)
    assert world.sql("dpmd", "SELECT id FROM kentongan.department") != world.sql("kembar", "SELECT id FROM kentongan.department")


def test_a_stopped_database_is_waited_for(world, servers):
    world.expects("waiting: |no broker")
    gateway = world.gateway()
    sink = world.sink("dpmd")
    wait_until(lambda: sink.get("/readyz")[0] == 200, 20, "ready")
    load = Load(gateway, 40)
    load.start()
    wait_until(lambda: world.accounts("dpmd")[0] > 100, 30, "some rows")
    servers.postgres.stop(signal.SIGQUIT)
    wait_until(lambda: sink.get("/readyz")[0] == 503, 60, "the sink says that it waits")
    if FULL:
        load.join(30)
    servers.postgres.start()
    servers.postgres.wait()
    load.join()
    exact(world, load)


def test_ended_backends_and_locked_tables_cost_nothing(world):
    world.expects("waiting: ")
    gateway = world.gateway()
    world.sink("dpmd", batch_records=20)
    load = Load(gateway, 30)
    load.start()
    for _ in range(10):
        before = world.accounts("dpmd")[0]
        world.sql("dpmd", "SELECT count(*) FROM pg_stat_activity")
        world.servers.postgres.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                                   f"WHERE usename = 'sink_dpmd_{world.tag}'")
        wait_until(lambda before=before: world.accounts("dpmd")[0] > before or not load.is_alive(), 30, "some rows")
    load.join()
    exact(world, load)


def programs_status(*words):
    return subprocess.run([os.path.join(BINARIES, "kentongan"), *words], cwd=PROJECT, capture_output=True, check=False, timeout=60).returncode


def make_anew(world, topic):
    for future in world.admin.delete_topics([world.topic(topic)]).values():
        future.result()
    wait_until(lambda: world.topic(topic) not in world.admin.list_topics(timeout=10).topics, 20, "the topic is gone")
    world.make_topics()


def test_a_topic_made_anew_halts_and_says_so(world, value):
    world.expects("halted: |waiting: ")
    sink = world.sink("satu_data")
    world.wait_rows("satu_data", "SELECT count(*) FROM satu_data.requests", 1)
    sink.stop()
    world.servers.postgres.sql(f"ALTER DATABASE satu_data_{world.tag} SET bytea_output = escape")  # the anchor is read all the same
    world.started[0].stop()
    make_anew(world, "requests")
    sink.start()
    wait_until(lambda: "went back" in sink.get("/readyz")[1], 30, "it says that the log went back")
    write(world, "requests", value.replace(b"Siti Rahayu", b"Siti Wahayu"))
    wait_until(lambda: "replaced" in sink.get("/readyz")[1], 30, "it says that the log was replaced")
    folder = world.department("satu_data")
    words = ["log", "adopt", world.topic("requests"), "--department", folder, "--database", world.conninfo("satu_data"),
             "--brokers", world.brokers, "--schemas", world.schemas]
    assert programs_status(*words) == 64
    assert programs_status(*words, "--reason", "topik dibuat ulang") == 0
    wait_until(lambda: sink.get("/readyz")[0] == 200, 30, "it goes on")
    assert world.sql("satu_data", "SELECT DISTINCT why FROM kentongan.adoption") == [("topik dibuat ulang",)]
    assert world.accounts("satu_data") == (1, 0, 0, 0), "the same number again is a repeat"


def test_a_topic_made_anew_halts_also_where_the_old_place_holds_no_record(world, value):
    """The end of a transaction takes an offset, and is no record."""
    world.expects("halted: ")
    write(world, "requests", value)
    sink = world.sink("satu_data")
    wait_until(lambda: sink.metrics().get("kentongan_sink_repeated_events_total") == 1, 30, "the second is read: it stands at offset 1")
    sink.stop()
    world.started[0].stop()
    make_anew(world, "requests")
    producer = confluent_kafka.Producer({"bootstrap.servers": world.brokers, "transactional.id": world.tag})
    producer.init_transactions(30)
    for name in (b"Siti Wahayu", b"Siti Lahayu"):  # at offsets 0 and 2
        producer.begin_transaction()
        producer.produce(world.topic("requests"), value=value.replace(b"Siti Rahayu", name), key=VILLAGES[0], partition=partition_of(VILLAGES[0]))
        producer.commit_transaction(30)
    sink.start()
    wait_until(lambda: "replaced" in sink.get("/readyz")[1], 30, "it says that the log was replaced")
    assert world.accounts("satu_data") == (1, 0, 0, 0)


def test_a_topic_that_is_not_there_is_told_and_the_others_go_on(world):
    world.expects("waiting: the topic")
    gateway = world.gateway()
    assert post(gateway, "/v1/requests", request_body())[0] == 201
    wait_until(lambda: json.loads(gateway.get("/v1/status")[1])["pending"] == 0, 60, "it is in Kafka")
    for removed in world.admin.delete_topics([world.topic("payments")]).values():
        removed.result()
    sink = world.sink("dinsos")
    world.wait_rows("dinsos", "SELECT count(*) FROM dinsos.permohonan_sktm", 1)
    wait_until(lambda: "payments is not there; run kentongan topics create" in sink.get("/readyz")[1], 60, "it says so")
    assert post(gateway, "/v1/requests", request_body(case_id="SKTM-2"))[0] == 201
    world.wait_rows("dinsos", "SELECT count(*) FROM dinsos.permohonan_sktm", 2)


def test_an_idle_sink_notices_that_its_database_went_away(world, servers):
    lost = "waiting: (database: SQLSTATE 57P01|the connection to the database was lost)"
    world.expects(lost)
    gateway = world.gateway()
    sink = world.sink("dinsos")
    wait_until(lambda: sink.get("/readyz")[0] == 200, 20, "ready")
    servers.postgres.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'sink_dinsos_{world.tag}'")
    wait_until(lambda: re.search(lost, world.logs()), 20, "it says so without a record to write")
    assert post(gateway, "/v1/requests", request_body())[0] == 201
    world.wait_rows("dinsos", "SELECT count(*) FROM dinsos.permohonan_sktm", 1)


@pytest.mark.parametrize("setting, words", [
    ({"listen": "0.0.0.0:0"}, "expected an address of this machine itself"),
    ({"kafka.auto.offset.reset": "latest"}, "kafka.auto.offset.reset: it must stay error, or events are lost")])
def test_a_setting_that_would_break_a_promise_is_refused(world, setting, words):
    world.expects(words)
    with pytest.raises(Trouble, match=words):
        world.sink("dinsos", **setting)


def test_the_sinks_role_may_do_no_more_than_it_must(world):
    world.department("dinsos")
    world.sql("dinsos", "CREATE TABLE dinsos.catatan (a int)")  # the department's own, which no mapping names
    world.install("dinsos")
    sink = world.conninfo("dinsos", f"sink_dinsos_{world.tag}")
    for text in ("DELETE FROM dinsos.permohonan_sktm", "DROP TABLE dinsos.permohonan_sktm",
                 "UPDATE kentongan.log_position SET next_offset = 0", "DELETE FROM kentongan.dead_letter",
                 "CREATE TABLE dinsos.baru (a int)", "UPDATE dinsos.penyaluran_blt SET jumlah = 1",  # its mapping only inserts
                 "SELECT * FROM dinsos.catatan"):
        done = subprocess.run(["psql", "-X", "-q", "-d", sink, "-c", text], capture_output=True, text=True, check=False)
        assert done.returncode != 0 and ("permission denied" in done.stderr or "must be owner" in done.stderr), (text, done.stderr)


def test_a_new_life_of_a_spool_repeats_nothing(world):
    """The spool died, and with it what it knew of keys: the client's repeat has a new number and its old id."""
    gateway = world.gateway()
    sink = world.sink("dpmd")
    for number in range(3):
        assert post(gateway, "/v1/requests", request_body(case_id=f"A-{number}"), Idempotency_Key=f"kunci-{number}")[0] == 201
    counted = "SELECT coalesce(sum(diajukan), 0)::int FROM dpmd.layanan_harian"
    world.wait_rows("dpmd", counted, 3)
    gateway.stop()
    for name in os.listdir(os.path.dirname(gateway.settings["spool"])):
        os.remove(os.path.join(os.path.dirname(gateway.settings["spool"]), name))
    gateway.start()
    gateway.wait()
    for restarted in (False, True):
        number = 1 + restarted
        assert post(gateway, "/v1/requests", request_body(case_id=f"A-{number}"), Idempotency_Key=f"kunci-{number}")[0] == 201
        assert post(gateway, "/v1/requests", request_body(case_id=f"B-{number}"))[0] == 201
        world.wait_rows("dpmd", counted, 4 + restarted)
        if not restarted:
            sink.stop()
            sink.start()
    assert world.sql("dpmd", counted) == [(5,)]
    assert world.sql("dpmd", "SELECT applied::int, missing::int FROM kentongan.stream_position ORDER BY begun_at, applied") == [(3, 0), (4, 0)]


def test_two_new_lives_in_one_batch_keep_what_is_theirs(world):
    """A spool died twice while the department was away: nothing of either life is taken for the other's, but repeats are."""
    gateway = world.gateway()
    for life in range(3):
        for number in range(4):
            status, answer = post(gateway, "/v1/requests", request_body(case_id=f"{life}-{number}"))
            assert status == 201, answer
        for number in range(life + 1):  # the clients repeat what every life before took
            post(gateway, "/v1/requests", request_body(case_id=f"k-{number}"), Idempotency_Key=f"kunci-{number}")
        wait_until(lambda: json.loads(gateway.get("/v1/status")[1])["pending"] == 0, 30, "all of it in Kafka")
        if life < 2:
            gateway.stop()
            for name in os.listdir(os.path.dirname(gateway.settings["spool"])):
                os.remove(os.path.join(os.path.dirname(gateway.settings["spool"]), name))
            gateway.start()
            gateway.wait()
    world.sink("dpmd")
    counted = "SELECT coalesce(sum(diajukan), 0)::int FROM dpmd.layanan_harian"
    world.wait_rows("dpmd", "SELECT coalesce(sum(applied), 0)::int FROM kentongan.stream_position", 3 * 4 + 1 + 2 + 3)
    assert world.sql("dpmd", counted) == [(3 * 4 + 3,)]
    assert world.dead_letters("dpmd") == []


def test_a_sleeping_owners_transaction_is_ended(world, value):
    world.expects("a claim waits for another sink's transaction")
    sink = world.sink("satu_data", owner="O'Lama")
    world.wait_rows("satu_data", "SELECT count(*) FROM satu_data.requests", 1)
    sink.stop()
    sleeper = psycopg2.connect(world.conninfo("satu_data", f"sink_satu_data_{world.tag}"), application_name="kentongan-sink O'Lama")
    with sleeper.cursor() as cursor:
        cursor.execute("SELECT kentongan.hold(%s, %s)", (world.topic("requests"), partition_of(VILLAGES[0])))
    sink.settings["owner"] = "baru"
    sink.start()
    wait_until(lambda: sink.get("/readyz")[0] == 200, 30, "the new owner works")
    assert world.sql("satu_data", "SELECT DISTINCT owner FROM kentongan.log_position") == [("baru",)]
    with pytest.raises(psycopg2.OperationalError), sleeper.cursor() as cursor:
        cursor.execute("SELECT 1")
    sleeper.close()
    assert len(read_values(world, "requests")) == 1 and value


@pytest.mark.parametrize("start, wanted", [("2026-01-01T00:00:00Z", 1), ("2100-01-01T00:00:00+07:00", 0)])
def test_a_department_begins_at_a_time(world, value, start, wanted):
    with open(world.department("satu_data") + "/department.conf", "a", encoding="utf-8") as conf:
        conf.write(f"start = {start}\n")
    sink = world.sink("satu_data")
    wait_until(lambda: sink.get("/readyz")[0] == 200, 30, "ready")
    assert post(world.started[0], "/v1/requests", request_body(case_id="baru"))[0] == 201
    world.wait_rows("satu_data", "SELECT count(*) FROM satu_data.requests", 1 + wanted)
    assert world.accounts("satu_data") == (1 + wanted, 0, 0, 0) and value


def is_turned_away(sink):
    status, reason = sink.get("/readyz")
    return status == 503 and "group.instance.id" in reason


def test_two_sinks_that_call_themselves_one_member_take_turns(world):
    """A copied group.instance.id: Kafka turns a sink away for good. It says so, and comes back as a new member."""
    world.expects("group.instance.id")
    gateway = world.gateway()
    settings = {"kafka.group.instance.id": "satu", "kafka.heartbeat.interval.ms": 300}
    first = world.sink("satu_data", **{"halt_retry_ms": 3000, **settings})
    assert post(gateway, "/v1/requests", request_body(case_id="pertama"))[0] == 201
    world.wait_rows("satu_data", "SELECT count(*) FROM satu_data.requests", 1)
    second = world.start(programs.sink(os.path.join(world.folder, "kedua"), BINARIES, world.department("satu_data"),
                                       world.conninfo("satu_data", f"sink_satu_data_{world.tag}"), world.brokers, world.schemas,
                                       **{"halt_retry_ms": 60000, **settings}))
    wait_until(lambda: is_turned_away(first), 30, "the first is turned away")
    wait_until(lambda: is_turned_away(second), 30, "the first comes back, and the second is turned away")
    assert post(gateway, "/v1/requests", request_body(case_id="kedua"))[0] == 201
    world.wait_rows("satu_data", "SELECT count(*) FROM satu_data.requests", 2)
    wait_until(lambda: first.get("/readyz")[0] == 200, 10, "the first is well")


def lags(sink):
    return {value for name, value in sink.metrics().items() if name.startswith("kentongan_sink_lag_records")}


METADATA, API_VERSIONS = 3, 18  # Kafka protocol guide, "API keys"


@pytest.fixture
def censor(servers):
    found = Censor(servers.relay_port, servers.relayed_port)
    yield found
    found.close()


def test_a_hub_that_is_silent_in_part_or_in_all_is_told_and_waited_for(world, censor):
    """Who asks a sink whether it is well is not told "ready" by one that reads nothing."""
    world.expects("waiting: ")
    gateway = world.gateway()
    sink = world.sink("satu_data", brokers=f"127.0.0.1:{censor.port}", **{"kafka.session.timeout.ms": 6000, "kafka.socket.timeout.ms": 3000})
    assert post(gateway, "/v1/requests", request_body(case_id="sebelum"))[0] == 201
    world.wait_rows("satu_data", "SELECT count(*) FROM satu_data.requests", 1)
    censor.allow({METADATA, API_VERSIONS})
    wait_until(lambda: sink.get("/readyz") == (503, "Kafka has given it no partitions yet\n"), 90, "the coordinator is missed")
    censor.allow(set())
    wait_until(lambda: sink.get("/readyz") == (503, "Kafka does not answer\n"), 90, "Kafka is missed")
    assert post(gateway, "/v1/requests", request_body(case_id="meanwhile"))[0] == 201
    assert lags(sink) in ({-1}, set()), "no lag is made up"
    censor.allow(None)
    world.wait_rows("satu_data", "SELECT count(*) FROM satu_data.requests", 2, 90)
    wait_until(lambda: sink.get("/readyz")[0] == 200, 60, "ready again")


def test_a_hub_that_goes_while_the_database_is_away_is_told(world, servers):
    world.expects("waiting: |link|no broker")
    gateway = world.gateway()
    sink = world.sink("satu_data", retry_ms=100)
    assert post(gateway, "/v1/requests", request_body(case_id="sebelum"))[0] == 201
    world.wait_rows("satu_data", "SELECT count(*) FROM satu_data.requests", 1)
    servers.postgres.stop(signal.SIGQUIT)
    wait_until(lambda: "database" in sink.get("/readyz")[1], 60, "the database is missed")
    os.kill(servers.kafka.process.pid(), signal.SIGSTOP)
    try:
        servers.postgres.start()
        servers.postgres.wait()
        wait_until(lambda: sink.get("/readyz") == (503, "Kafka does not answer\n"), 60, "then it is the hub that is missed")
    finally:
        os.kill(servers.kafka.process.pid(), signal.SIGCONT)
    assert post(gateway, "/v1/requests", request_body(case_id="sesudah"))[0] == 201
    world.wait_rows("satu_data", "SELECT count(*) FROM satu_data.requests", 2)
    wait_until(lambda: sink.get("/readyz")[0] == 200, 60, "ready again")
