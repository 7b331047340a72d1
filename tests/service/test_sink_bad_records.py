# SPDX-License-Identifier: MIT
"""A bad record stops nobody else, its case waits in order, and people can mend it."""
import getpass
import json
import os
import subprocess
import zlib

import psycopg2
import pytest
from conftest import BINARIES, PROJECT, VILLAGES, payment_body, post, request_body
from hub import programs
from hub.base import wait_until

TOO_MUCH = "9000000.00"  # more than dinsos.penyaluran_blt's CHECK takes
ROWS = "SELECT jumlah::int FROM dinsos.penyaluran_blt ORDER BY disalurkan, jumlah"


def kentongan(world, *arguments, name="dinsos", status=0):
    folder = os.path.join(world.folder, "departments", f"{name}_{world.tag}")
    done = subprocess.run(
        [os.path.join(BINARIES, "kentongan"), *arguments, "--department", folder, "--database", world.conninfo(name),
         "--brokers", world.brokers, "--schemas", world.schemas],
        cwd=PROJECT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == status, done.stderr + done.stdout
    return done.stdout


def policy(world, text, name="dinsos"):
    """A department's folder with other words in its department.conf."""
    folder = world.department(name)
    with open(os.path.join(folder, "department.conf"), "a", encoding="utf-8") as conf:
        conf.write(text + "\n")


def pay(gateway, *cases):
    """(case, amount) -> events, in this order."""
    programs.post_batch(gateway, [{"record": "Payment", **payment_body(case_id=case, amount=amount)} for case, amount in cases])


def numbers(world, name="dinsos"):
    """(applied, dead, parked, missing, void) over all streams; the CHECK keeps the sum."""
    return world.sql(name, "SELECT coalesce(sum(applied), 0)::int, coalesce(sum(dead), 0)::int, coalesce(sum(parked), 0)::int, "
                           "coalesce(sum(missing), 0)::int, coalesce(sum(void), 0)::int FROM kentongan.stream_position")[0]


def wait_numbers(world, wanted, name="dinsos", seconds=30):
    try:
        wait_until(lambda: numbers(world, name) == wanted, seconds, f"{wanted}")
    except Exception:
        assert numbers(world, name) == wanted
        raise


def lift_the_limit(world):
    world.sql("dinsos", "ALTER TABLE dinsos.penyaluran_blt DROP CONSTRAINT penyaluran_blt_jumlah_check")


def test_a_case_waits_behind_its_bad_record_and_drains_in_order(world):
    world.expects("dead letter class=data")
    gateway = world.gateway()
    pay(gateway, ("A", "1.00"), ("A", TOO_MUCH), ("B", "2.00"), ("A", "3.00"), ("C", "4.00"), ("A", "5.00"))
    world.sink("dinsos")
    wait_numbers(world, (3, 1, 2, 0, 0))
    pay(gateway, ("A", "6.00"), ("B", "7.00"))  # a later batch knows of it
    wait_numbers(world, (4, 1, 3, 0, 0))
    assert world.sql("dinsos", ROWS) == [(1,), (2,), (4,), (7,)]
    letters = json.loads(kentongan(world, "dead-letters", "list", "--json"))
    assert [(row["case_id"], row["waiting"], row["sqlstate"]) for row in letters] == [("A", 3, "23514")]
    letter = str(letters[0]["id"])
    kentongan(world, "dead-letters", "retry", letter, status=65)
    assert numbers(world) == (4, 1, 3, 0, 0)
    lift_the_limit(world)
    world.sql("dinsos", "CREATE TABLE dinsos.order_seen (n serial, jumlah numeric); "
              "CREATE FUNCTION dinsos.see() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS "
              "'BEGIN INSERT INTO dinsos.order_seen (jumlah) VALUES (NEW.jumlah); RETURN NEW; END'; "
              "CREATE TRIGGER see BEFORE INSERT ON dinsos.penyaluran_blt FOR EACH ROW EXECUTE FUNCTION dinsos.see()")
    kentongan(world, "dead-letters", "retry", letter, "--reason", "batas dinaikkan")
    assert numbers(world) == (8, 0, 0, 0, 0)
    assert world.sql("dinsos", "SELECT jumlah::int FROM dinsos.order_seen ORDER BY n") == [(9000000,), (3,), (5,), (6,)]
    assert world.sql("dinsos", "SELECT status, decided_by, note FROM kentongan.dead_letter") == [
        ("applied", os.environ.get("SUDO_USER") or getpass.getuser(), "batas dinaikkan")]
    assert world.sql("dinsos", "SELECT decided_role FROM kentongan.dead_letter") == [(f"dinsos_{world.tag}",)]
    world.expects("waiting: .*a case has changed meanwhile")
    pay(gateway, ("A", "8.00"))  # the sink believes that A is held, looks again, and finds it free
    wait_numbers(world, (9, 0, 0, 0, 0))
    assert "9000000" not in world.logs() and "Budi" not in world.logs()


def both_at_once(world, *commands):
    """Start them so that each has looked before one of them may act; their exit statuses."""
    folder = os.path.join(world.folder, "departments", f"dinsos_{world.tag}")
    holder = psycopg2.connect(world.conninfo("dinsos"))
    with holder.cursor() as cursor:
        cursor.execute("SELECT FROM kentongan.log_position FOR UPDATE")
    running = [subprocess.Popen(
        [os.path.join(BINARIES, "kentongan"), "dead-letters", *command, "--department", folder, "--database", world.conninfo("dinsos"),
         "--brokers", world.brokers, "--schemas", world.schemas], cwd=PROJECT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
               for command in commands]
    wait_until(lambda: world.servers.postgres.sql(
        f"SELECT count(*) FROM pg_stat_activity WHERE datname = 'dinsos_{world.tag}' AND usename = 'dinsos_{world.tag}' "
        "AND wait_event_type = 'Lock'") == [[str(len(commands))]], 60, "all of them wait")
    holder.close()
    said = [each.communicate(timeout=60)[1].decode() for each in running]
    return sorted(each.returncode for each in running), "".join(said)


@pytest.mark.parametrize("second", [("retry",), ("waive",), ("waive", "--all")], ids=["retry", "waive", "waive all"])
def test_two_people_at_one_letter_do_it_once(world, second):
    world.expects("dead letter class=data")
    gateway = world.gateway()
    pay(gateway, ("A", TOO_MUCH), ("A", "3.00"), ("A", "5.00"))
    world.sink("dinsos")
    wait_numbers(world, (0, 1, 2, 0, 0))
    lift_the_limit(world)
    world.sql("dinsos", "CREATE TABLE dinsos.seen (n serial); "
              "CREATE FUNCTION dinsos.see() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS "
              "'BEGIN INSERT INTO dinsos.seen DEFAULT VALUES; RETURN NEW; END'; "
              "CREATE TRIGGER see BEFORE INSERT ON dinsos.penyaluran_blt FOR EACH ROW EXECUTE FUNCTION dinsos.see()")
    letter = str(json.loads(kentongan(world, "dead-letters", "list", "--json"))[0]["id"])
    statuses, said = both_at_once(world, ("retry", letter, "--reason", "orang pertama"), (second[0], letter, *second[1:], "--reason", "orang kedua"))
    assert statuses == [0, 75] and "meanwhile" in said, said
    applied, dead, parked, missing, void = numbers(world)
    assert applied + void == 3 and (dead, parked, missing) == (0, 0, 0)
    assert world.sql("dinsos", "SELECT count(*)::int FROM dinsos.seen") == [(applied,)], "mapped as often as it is counted"
    kentongan(world, "dead-letters", "retry", letter, "--reason", "lagi", status=65)


def test_waiving_needs_a_reason_and_lets_the_case_go_on(world):
    world.expects("dead letter class=data")
    gateway = world.gateway()
    pay(gateway, ("A", TOO_MUCH), ("A", "3.00"), ("A", TOO_MUCH), ("A", "5.00"))
    world.sink("dinsos")
    wait_numbers(world, (0, 1, 3, 0, 0))
    first = str(json.loads(kentongan(world, "dead-letters", "list", "--json"))[0]["id"])
    kentongan(world, "dead-letters", "waive", first, status=64)
    kentongan(world, "dead-letters", "waive", first, "--reason", "  ", status=64)
    for more in ((), ("--all",)):
        assert "nothing is kept" in kentongan(world, "dead-letters", "waive", first, *more, "--preview", "--reason", "hanya melihat")
        assert numbers(world) == (0, 1, 3, 0, 0)
    kentongan(world, "dead-letters", "waive", first, "--reason", "salah ketik")
    assert numbers(world) == (1, 1, 1, 0, 1), "the second bad one is a letter of its own and holds the last"
    assert world.sql("dinsos", "SELECT status, note FROM kentongan.dead_letter ORDER BY id") == [("waived", "salah ketik"), ("open", None)]
    second = str(json.loads(kentongan(world, "dead-letters", "list", "--json"))[0]["id"])
    kentongan(world, "dead-letters", "waive", second, "--reason", "salah ketik")
    assert numbers(world) == (2, 0, 0, 0, 2)
    kentongan(world, "dead-letters", "waive", second, "--reason", "lagi", status=65)


def test_waiving_all_drops_what_waits_too_and_needs_no_kafka(world):
    world.expects("dead letter class=data")
    gateway = world.gateway()
    pay(gateway, ("A", TOO_MUCH), ("A", "3.00"), ("B", TOO_MUCH), ("A", "5.00"), ("B", "6.00"))
    world.sink("dinsos")
    wait_numbers(world, (0, 2, 3, 0, 0))
    first = str(json.loads(kentongan(world, "dead-letters", "list", "--json"))[0]["id"])
    kentongan(world, "dead-letters", "waive", first, "--all", "--reason", "sudah tidak ada di Kafka")
    assert numbers(world) == (0, 1, 1, 0, 3), "the other case waits on"
    assert world.sql("dinsos", "SELECT case_id, status, count(*)::int FROM kentongan.dead_letter GROUP BY 1, 2 ORDER BY 1") == [
        ("A", "waived", 3), ("B", "open", 1)]


def test_a_row_that_a_policy_refuses_is_a_dead_letter_and_a_missing_right_halts(world):
    """Both are SQLSTATE 42501: it is the row where others pass, and the department's rights where none does."""
    world.expects("dead letter class=data|halted: ")
    gateway = world.gateway()
    pay(gateway, ("A", "1.00"), ("B", "7.00"), ("C", "3.00"), ("B", "2.00"))
    world.department("dinsos")
    world.sql("dinsos", "ALTER TABLE dinsos.penyaluran_blt ENABLE ROW LEVEL SECURITY")
    world.sql("dinsos", "CREATE POLICY semua ON dinsos.penyaluran_blt USING (true) WITH CHECK (jumlah < 5)")
    sink = world.sink("dinsos")
    wait_numbers(world, (2, 1, 1, 0, 0))
    assert world.dead_letters("dinsos")[0][:2] == ("data", "42501")
    world.sql("dinsos", "DROP POLICY semua ON dinsos.penyaluran_blt")
    pay(gateway, ("D", "1.00"), ("E", "1.00"))
    wait_until(lambda: "42501" in sink.get("/readyz")[1], 60, "it halts")
    assert numbers(world) == (2, 1, 1, 0, 0), "and nobody is blamed"


def test_a_preview_shows_rows_masked_and_keeps_nothing(world):
    world.expects("dead letter class=data")
    gateway = world.gateway()
    pay(gateway, ("A", TOO_MUCH), ("A", "3.00"))
    world.sink("dinsos")
    wait_numbers(world, (0, 1, 1, 0, 0))
    letter = str(json.loads(kentongan(world, "dead-letters", "list", "--json"))[0]["id"])
    shown = kentongan(world, "dead-letters", "show", letter)
    assert "Budi" not in shown and "9909010101900002" not in shown and "***" in shown and "blt-dd" in shown
    lift_the_limit(world)
    seen = json.loads(kentongan(world, "dead-letters", "retry", letter, "--preview", "--json"))
    assert [row["after"]["jumlah"] for row in seen["rows"]] == [9000000, 3] and seen["rows"][0]["before"] is None
    assert {row["after"]["nik"] for row in seen["rows"]} == {"***"} and seen["rows"][0]["after"]["desa"] == VILLAGES[0]
    assert seen["result"]["applied"] == 2
    assert numbers(world) == (0, 1, 1, 0, 0) and world.sql("dinsos", ROWS) == []
    assert "Budi" in kentongan(world, "dead-letters", "show", letter, "--personal")
    assert world.sql("dinsos", "SELECT letter::text FROM kentongan.looked_at") == [(letter,)]


def test_continue_lets_the_case_go_on_and_halt_stops(world):
    world.expects("dead letter class=data|halted: a bad record")
    policy(world, "on_bad_record = continue")
    gateway = world.gateway()
    pay(gateway, ("A", TOO_MUCH), ("A", "3.00"))
    sink = world.sink("dinsos")
    wait_numbers(world, (1, 1, 0, 0, 0))
    sink.stop()
    world.rewrite(os.path.join(world.department("dinsos"), "department.conf"), "on_bad_record = continue", "policy.payments = halt")
    pay(gateway, ("B", "4.00"), ("B", TOO_MUCH))
    sink.start()
    wait_until(lambda: "a bad record" in sink.get("/readyz")[1], 20, "halted")
    assert numbers(world) == (1, 1, 0, 0, 0)
    lift_the_limit(world)
    wait_numbers(world, (3, 1, 0, 0, 0))


def test_a_record_waits_for_the_row_that_it_refers_to(world):
    world.department("dispendukcapil")
    world.sql("dispendukcapil", "ALTER TABLE dispendukcapil.persetujuan ADD FOREIGN KEY (desa, nomor_perkara) "
              "REFERENCES dispendukcapil.permohonan (desa, nomor_perkara)")
    gateway = world.gateway()
    approval = {"case_id": "KTP-1", "service": "surat-keterangan-kelahiran", "step": "KADES", "decision": "ACCEPTED",
                "actor": {"role": "KADES"}}
    assert post(gateway, "/v1/approvals", approval)[0] == 201
    assert post(gateway, "/v1/approvals", {**approval, "decision": "COLLECTED"})[0] == 201
    world.sink("dispendukcapil", order_retry_ms=3600000)
    wait_numbers(world, (0, 0, 2, 0, 0), "dispendukcapil")
    assert world.dead_letters("dispendukcapil") == []
    assert post(gateway, "/v1/requests", request_body(case_id="KTP-1", service="surat-keterangan-kelahiran"))[0] == 201
    wait_numbers(world, (3, 0, 0, 0, 0), "dispendukcapil")
    assert world.sql("dispendukcapil", "SELECT keputusan FROM dispendukcapil.persetujuan ORDER BY waktu") == [("ACCEPTED",), ("COLLECTED",)]


def test_many_that_wait_hold_up_nobody_and_all_have_their_turn(world):
    world.expects("tried again|try again")
    world.department("dispendukcapil")
    world.sql("dispendukcapil", "ALTER TABLE dispendukcapil.persetujuan ADD FOREIGN KEY (desa, nomor_perkara) "
              "REFERENCES dispendukcapil.permohonan (desa, nomor_perkara)")
    gateway, other = world.gateway(), world.gateway(VILLAGES[1])
    approval = {"record": "Approval", "service": "surat-keterangan-kelahiran", "step": "KADES", "decision": "ACCEPTED", "actor": {"role": "KADES"}}
    request = {"record": "Request", **request_body(service="surat-keterangan-kelahiran")}
    programs.post_batch(gateway, [{**approval, "case_id": f"KTP-{number}"} for number in range(40)])
    world.sink("dispendukcapil", order_retry_ms=100)
    wait_numbers(world, (0, 0, 40, 0, 0), "dispendukcapil")
    for number in range(5):
        programs.post_batch(other, [{**request, "case_id": f"LAIN-{number}"}])
        wait_numbers(world, (number + 1, 0, 40, 0, 0), "dispendukcapil")
    programs.post_batch(gateway, [{**request, "case_id": f"KTP-{number}"} for number in range(35, 40)])
    wait_numbers(world, (15, 0, 35, 0, 0), "dispendukcapil", 120)  # the last have their turn although the first fail again and again
    programs.post_batch(gateway, [{**request, "case_id": f"KTP-{number}"} for number in range(35)])
    wait_numbers(world, (85, 0, 0, 0, 0), "dispendukcapil", 120)
    assert world.sql("dispendukcapil", "SELECT count(*)::int FROM dispendukcapil.persetujuan") == [(40,)]


def test_a_case_that_moves_amid_a_round_of_others_is_tried_again_at_once(world):
    world.expects("tried again|try again")
    world.department("dispendukcapil")
    world.sql("dispendukcapil", "ALTER TABLE dispendukcapil.persetujuan ADD FOREIGN KEY (desa, nomor_perkara) "
              "REFERENCES dispendukcapil.permohonan (desa, nomor_perkara)")
    gateway = world.gateway()
    approval = {"record": "Approval", "service": "surat-keterangan-kelahiran", "step": "KADES", "decision": "ACCEPTED", "actor": {"role": "KADES"}}
    programs.post_batch(gateway, [{**approval, "case_id": f"KTP-{number}"} for number in range(40)])
    world.sink("dispendukcapil", order_retry_ms=3600000)
    wait_numbers(world, (0, 0, 40, 0, 0), "dispendukcapil")
    first = "offset=0 applied=0"
    before = world.logs().count(first)
    request = request_body(service="surat-keterangan-kelahiran")
    assert post(gateway, "/v1/requests", {**request, "case_id": "KTP-39"})[0] == 201
    wait_until(lambda: world.logs().count(first) > before, 30, "a round has begun, and the first had its turn")
    assert post(gateway, "/v1/requests", {**request, "case_id": "KTP-0"})[0] == 201
    wait_numbers(world, (4, 0, 38, 0, 0), "dispendukcapil")


def test_what_it_refers_to_never_comes_and_it_is_a_dead_letter(world):
    world.expects("dead letter class=data|tried again")
    world.department("dispendukcapil")
    policy(world, "order_wait_ms = 1", "dispendukcapil")
    world.sql("dispendukcapil", "ALTER TABLE dispendukcapil.persetujuan ADD FOREIGN KEY (desa, nomor_perkara) "
              "REFERENCES dispendukcapil.permohonan (desa, nomor_perkara)")
    gateway = world.gateway()
    assert post(gateway, "/v1/approvals", {"case_id": "KTP-1", "service": "surat-keterangan-kelahiran", "step": "KADES",
                                           "decision": "ACCEPTED", "actor": {"role": "KADES"}})[0] == 201
    world.sink("dispendukcapil", order_retry_ms=300)
    wait_numbers(world, (0, 1, 0, 0, 0), "dispendukcapil")
    assert world.dead_letters("dispendukcapil")[0][:2] == ("data", "23503")


def test_a_bad_release_halts_before_the_dead_letters_fill(world):
    world.expects("halted: too many records fail alike|dead letter class=data")
    world.department("dinsos")
    world.sql("dinsos", "ALTER TABLE dinsos.penyaluran_blt ADD CONSTRAINT keliru CHECK (jumlah < 0)")
    gateways = [world.gateway(village) for village in VILLAGES[:3]]
    for gateway in gateways:
        pay(gateway, *[(f"A-{number}", "1.00") for number in range(50)])
    sink = world.sink("dinsos")
    wait_until(lambda: "fail alike" in sink.get("/readyz")[1], 30, "halted")
    assert "keliru" in sink.get("/readyz")[1] and len(world.dead_letters("dinsos")) <= 20
    world.sql("dinsos", "ALTER TABLE dinsos.penyaluran_blt DROP CONSTRAINT keliru")
    wait_until(lambda: numbers(world)[0] == 150 - len(world.dead_letters("dinsos")), 30, "the others are applied")


def test_one_villages_bad_records_do_not_stop_the_others(world):
    world.expects("dead letter class=data")
    world.department("dinsos")
    bad, good = world.gateway(VILLAGES[0]), world.gateway(VILLAGES[1])
    sink = world.sink("dinsos")
    pay(good, *[(f"G-{number}", "1.00") for number in range(1000)])  # the mapping is no longer new
    wait_numbers(world, (1000, 0, 0, 0, 0))
    pay(bad, *[(f"A-{number}", TOO_MUCH) for number in range(500)])
    pay(good, *[(f"H-{number}", "1.00") for number in range(100)])
    wait_numbers(world, (1100, 500, 0, 0, 0), seconds=60)
    assert sink.get("/readyz")[0] == 200


def test_a_value_that_cannot_be_read_holds_its_case_and_is_tried_again_with_a_newer_catalog(world):
    world.expects("dead letter class=unknown-schema")
    folder = world.department("dinsos")
    gateway = world.gateway()
    pay(gateway, ("A", "1.00"), ("A", "2.00"), ("B", "3.00"))
    own = os.path.join(world.folder, "older")
    os.makedirs(own)
    subprocess.run(["cp", "-r", world.schemas, own], check=True)
    old = os.path.join(own, "schemas")
    catalog = json.loads(open(os.path.join(old, "catalog.json"), encoding="utf-8").read())
    for schema in catalog["schemas"]:
        if schema["id"] == 3:
            schema["id"] = 33  # a catalog that does not know the village's id
    with open(os.path.join(old, "catalog.json"), "w", encoding="utf-8") as file:
        json.dump(catalog, file)
    sink = world.sink("dinsos", schemas=old)
    wait_until(lambda: len(world.dead_letters("dinsos")) == 3, 30, "three that cannot be read")
    assert numbers(world) == (0, 0, 0, 0, 0)
    assert world.sql("dinsos", "SELECT case_id, holds, seq FROM kentongan.dead_letter ORDER BY id") == [("A", True, 1), ("A", True, 2), ("B", True, 3)]
    sink.stop()
    sink.settings["schemas"] = world.schemas
    sink.start()
    wait_numbers(world, (3, 0, 0, 0, 0))
    assert folder and world.sql("dinsos", ROWS) == [(1,), (2,), (3,)]
    assert world.sql("dinsos", "SELECT DISTINCT status, decided_by FROM kentongan.dead_letter") == [("applied", "sink")]


# The temporary tables of a session that has just ended go a moment later.
KEPT = "SELECT count(*) FROM pg_class WHERE relpersistence <> 't'"


def test_real_records_are_tried_and_nothing_is_kept(world):
    gateway = world.gateway()
    pay(gateway, ("A", "1.00"), ("B", TOO_MUCH))
    wait_until(lambda: json.loads(gateway.get("/v1/status")[1])["pending"] == 0, 30, "both are in Kafka")
    folder = world.department("dinsos")
    tables = world.sql("dinsos", KEPT)
    done = subprocess.run([os.path.join(BINARIES, "kentongan"), "department", "try", folder, "--database", world.conninfo("dinsos"),
                           "--brokers", world.brokers, "--schemas", world.schemas, "--from", "2026-01-01T00:00:00Z", "--limit", "10",
                           "--json"], cwd=PROJECT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert seen["records"] == 2 and [row["after"]["jumlah"] for row in seen["rows"]] == [1]
    assert seen["rows"][0]["after"]["nama"] == "***" and [row["sqlstate"] for row in seen["set_aside"]] == ["23514"]
    assert world.sql("dinsos", ROWS) == [] and world.sql("dinsos", KEPT) == tables
    assert world.dead_letters("dinsos") == []


def test_what_kafka_lost_is_adopted_asked_for_and_filled(world):
    """Records were removed before the department read them: a person adopts the log, the village sends them again by itself."""
    from confluent_kafka import TopicPartition
    world.expects("halted: retention gap|waiting: ")
    gateway = world.gateway(orders_ms=500)
    sink = world.sink("dinsos")
    pay(gateway, ("A", "1.00"))
    wait_numbers(world, (1, 0, 0, 0, 0))
    sink.stop()
    pay(gateway, ("B", "2.00"), ("C", "3.00"))
    wait_until(lambda: json.loads(gateway.get("/v1/status")[1])["pending"] == 0, 30, "they are in Kafka")
    place = TopicPartition(world.topic("payments"), zlib.crc32(VILLAGES[0].encode()) % 12, 3)
    assert all(future.result() is not None for future in world.admin.delete_records([place]).values())
    pay(gateway, ("D", "4.00"))
    sink.start()
    wait_until(lambda: "retention gap" in sink.get("/readyz")[1], 30, "it says that records are gone")
    kentongan(world, "log", "adopt", world.topic("payments"), "--reason", "retensi terlalu pendek")
    wait_numbers(world, (4, 0, 0, 0, 0), seconds=60)
    assert world.sql("dinsos", "SELECT count(*)::int FROM dinsos.penyaluran_blt") == [(4,)]
