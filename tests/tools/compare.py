#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Compare what is in Kafka with what satu_data has, record by record and field by field.

    tests/tools/compare.py BROKERS CONNINFO [--schemas DIR]

Shares no code with the programs: fastavro decodes, psycopg2 reads. Each number of a stream counts once, as
the first record on the topic that holds it. It must be a row with the same fields, or an open or waived dead
letter, or wait behind one; the streams' own numbers must say the same. Prints a line and exits with 1 when not."""
import argparse
import collections
import datetime
import decimal
import io
import json
import os
import sys
import uuid

import confluent_kafka
import fastavro
import psycopg2
import psycopg2.extras

PROJECT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class Catalog:
    def __init__(self, folder):
        with open(os.path.join(folder, "catalog.json"), encoding="utf-8") as file:
            catalog = json.load(file)
        prefix = catalog["prefix"]["live"]
        self.topics = {topic["name"]: prefix + topic["name"] for topic in catalog["topics"]}
        self.schemas = {}
        for entry in catalog["schemas"]:
            with open(os.path.join(folder, entry["file"]), encoding="utf-8") as file:
                self.schemas[entry["id"]] = (entry["subject"], fastavro.parse_schema(json.load(file)))

    def decode(self, topic, value):
        """A record's fields, flattened; None when it is not one of this topic's events."""
        number = int.from_bytes(value[1:5], "big") if len(value) > 5 and value[0] == 0 else None
        subject, schema = self.schemas.get(number, (None, None))
        if subject != topic + "-value":
            return None
        text = io.BytesIO(value[5:])
        try:
            fields = fastavro.schemaless_reader(text, schema)
        except (EOFError, ValueError, IndexError, UnicodeDecodeError):
            return None
        return dict(flatten(fields, schema["fields"])) if text.read() == b"" else None


def flatten(fields, kinds, prefix=""):
    """Nested records become columns; an absent one is null in each of them."""
    for kind in kinds:
        inner = kind["type"] if not isinstance(kind["type"], list) else next(branch for branch in kind["type"] if branch != "null")
        value = fields.get(kind["name"]) if fields is not None else None
        if isinstance(inner, dict) and inner["type"] == "record":
            yield from flatten(value, inner["fields"], prefix + kind["name"] + "_")
        else:
            yield prefix + kind["name"], plain(value)


def plain(value):
    """The same thing from either side looks the same."""
    if isinstance(value, datetime.datetime):
        return value.astimezone(datetime.timezone.utc).isoformat()
    if isinstance(value, (uuid.UUID, decimal.Decimal)):
        return str(value)
    return value


def read_topic(brokers, topic):
    """Every record of a topic up to its end as it is now: (partition, offset, key, value), in order."""
    consumer = confluent_kafka.Consumer({"bootstrap.servers": brokers, "group.id": "compare", "enable.auto.commit": False,
                                         "auto.offset.reset": "error"})
    places, ends = [], {}
    for partition in consumer.list_topics(topic, timeout=30).topics[topic].partitions:
        place = confluent_kafka.TopicPartition(topic, partition)
        low, high = consumer.get_watermark_offsets(place, timeout=30)
        if low < high:
            place.offset = low
            places.append(place)
            ends[partition] = high
    consumer.assign(places)
    while ends:
        messages = consumer.consume(1000, 30)
        assert messages, f"{topic}: nothing more came, {ends} are missing"
        for message in messages:
            assert not message.error(), message.error()
            if message.offset() < ends.get(message.partition(), 0):
                yield message.partition(), message.offset(), message.key(), message.value()
            if message.offset() + 1 >= ends.get(message.partition(), 1 << 62):
                del ends[message.partition()]
    consumer.close()


def events_of(catalog, brokers, topic):
    """(village, incarnation, seq) -> (place, fields) of the first record that holds it."""
    found, repeats = {}, 0
    for partition, offset, key, value in read_topic(brokers, topic):
        fields = catalog.decode(topic, value)
        if fields is None or key != fields["village_code"].encode():
            continue
        number = fields["village_code"], fields["incarnation"], fields["seq"]
        repeats += number in found
        found.setdefault(number, ((partition, offset), fields))
    return found, repeats


class Comparison:
    def __init__(self, brokers, conninfo, schemas):
        self.catalog = Catalog(schemas)
        self.brokers = brokers
        self.connection = psycopg2.connect(conninfo)
        self.faults = []
        self.counts = collections.Counter()

    def rows(self, text, *arguments):
        with self.connection, self.connection.cursor(cursor_factory=psycopg2.extras.RealDictCursor) as cursor:
            cursor.execute(text, arguments)
            return cursor.fetchall()

    def fault(self, *words):
        self.faults.append(" ".join(map(str, words)))

    def compare_topic(self, name):
        topic = self.catalog.topics[name]
        events, repeats = events_of(self.catalog, self.brokers, topic)
        rows = {(row["village_code"], row["incarnation"], row["seq"]): row for row in self.rows(f"SELECT * FROM satu_data.{name}")}
        aside = {(row["partition"], row["kafka_offset"]) for row in self.rows(
            "SELECT partition, kafka_offset FROM kentongan.dead_letter WHERE topic = %s AND status <> 'applied' UNION "
            "SELECT partition, kafka_offset FROM kentongan.waiting WHERE topic = %s", topic, topic)}
        self.counts.update(events=len(events), rows=len(rows), repeats=repeats, set_aside=len(aside))
        for number, (place, fields) in events.items():
            if number in rows:
                self.compare_fields(topic, number, fields, rows[number])
            elif place not in aside:
                self.fault(topic, number, "is nowhere")
        for number in rows.keys() - events.keys():
            self.fault(topic, number, "is a row without a record")
        self.compare_order(topic, rows)
        self.compare_streams(topic, events)

    def compare_fields(self, topic, number, fields, row):
        for name, value in fields.items():
            if name in row and plain(row[name]) != value:
                self.fault(topic, number, name, "differs")

    def compare_order(self, topic, rows):
        """Where the table numbers its rows (n, added by a test), later events have later rows."""
        last = {}
        for (village, incarnation, seq), row in sorted(rows.items()):
            if "n" in row and not row["late"]:
                before = last.setdefault((village, incarnation), row["n"])
                if row["n"] < before:
                    self.fault(topic, (village, incarnation, seq), "was applied out of order")
                last[(village, incarnation)] = row["n"]

    def compare_streams(self, topic, events):
        wanted = collections.Counter((village, incarnation) for village, incarnation, _ in events)
        for row in self.rows("SELECT * FROM kentongan.stream_position WHERE topic = %s", topic):
            came = row["applied"] + row["dead"] + row["parked"] + row["void"]
            if came != wanted.pop((row["village_code"], row["incarnation"]), 0):
                self.fault(topic, row["village_code"], row["incarnation"], "counts", came)
        for stream in wanted:
            self.fault(topic, *stream, "has no stream")

    def run(self):
        for name in self.catalog.topics:
            self.compare_topic(name)
        self.connection.close()
        return not self.faults


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("brokers")
    parser.add_argument("conninfo")
    parser.add_argument("--schemas", default=os.path.join(PROJECT, "schemas"))
    given = parser.parse_args()
    comparison = Comparison(given.brokers, given.conninfo, given.schemas)
    same = comparison.run()
    for fault in comparison.faults[:20]:
        print(fault)
    print("same" if same else f"{len(comparison.faults)} differences", dict(comparison.counts))
    sys.exit(not same)


if __name__ == "__main__":
    main()
