-- SPDX-License-Identifier: MIT
-- What a department's database keeps for its sink: how far it is, which numbers it has,
-- and what it could not take. Installed by `kentongan department init` as the owner;
-- running it again changes nothing.
--
-- Why it holds: next_offset = n means that the effects of exactly the records before n
-- are in this database, because every transaction moves it from where it was
-- (kentongan.move, compare-and-set) together with the rows. lib/flow/deliver.c.

CREATE SCHEMA IF NOT EXISTS kentongan;

CREATE TABLE IF NOT EXISTS kentongan.log_position (
    topic         text   NOT NULL,
    partition     int    NOT NULL,
    next_offset   bigint NOT NULL CHECK (next_offset >= 0),
    epoch         bigint NOT NULL DEFAULT 1, -- claims so far
    owner         text   NOT NULL,           -- who claimed last; for people, not for safety
    anchor_offset bigint,                    -- the last record that was applied
    anchor_hash   bytea,                     -- SHA-256 of its time, key and value
    moved_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (topic, partition)
);

CREATE TABLE IF NOT EXISTS kentongan.stream_position (
    village_code text   NOT NULL,
    incarnation  uuid   NOT NULL,
    topic        text   NOT NULL,
    first_seq    bigint NOT NULL,           -- where this department began
    high_seq     bigint NOT NULL,
    applied      bigint NOT NULL DEFAULT 0, -- the mapping ran without error
    dead         bigint NOT NULL DEFAULT 0, -- open dead letters
    parked       bigint NOT NULL DEFAULT 0, -- wait behind a dead letter of their case
    missing      bigint NOT NULL DEFAULT 0, -- have not come
    void         bigint NOT NULL DEFAULT 0, -- taken out by a person's order
    gaps         int8multirange NOT NULL DEFAULT '{}', -- the missing numbers
    PRIMARY KEY (village_code, incarnation, topic),
    CONSTRAINT everything_is_accounted_for
        CHECK (applied + dead + parked + missing + void = high_seq - first_seq + 1)
);

CREATE TABLE IF NOT EXISTS kentongan.dead_letter (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic           text   NOT NULL,
    partition       int    NOT NULL,
    kafka_offset    bigint NOT NULL,
    village_code    text,
    incarnation     uuid,
    seq             bigint,
    case_id         text,
    class           text   NOT NULL,
    sqlstate        text,
    constraint_name text,
    reason          text   NOT NULL,
    status          text   NOT NULL DEFAULT 'open'
                    CHECK (status IN ('open', 'applied', 'waived')),
    decided_by      text,
    decided_at      timestamptz,
    note            text,
    fields          jsonb,
    value_sha256    bytea  NOT NULL,
    value           bytea, -- in satu_data only: keep_values of department.conf
    set_aside_at    timestamptz NOT NULL DEFAULT now(),
    UNIQUE (topic, partition, kafka_offset)
);

-- Make the caller the owner of partitions and say where each stands. Writing locks the
-- rows: a transaction in flight on one of them ends first, so that what is returned is
-- the truth even where an answer to COMMIT was lost.
CREATE OR REPLACE FUNCTION kentongan.claim(wanted jsonb, claimer text)
RETURNS TABLE (topic text, "partition" int, next_offset bigint, epoch bigint,
               anchor_offset bigint, anchor_hash bytea)
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    INSERT INTO kentongan.log_position AS p (topic, partition, next_offset, owner)
    SELECT w.topic, w.partition, w.start, claimer
      FROM jsonb_to_recordset(wanted) AS w (topic text, partition int, start bigint)
     ORDER BY 1, 2
    ON CONFLICT (topic, partition) DO UPDATE
       SET epoch = p.epoch + 1, owner = excluded.owner
    RETURNING p.topic, p.partition, p.next_offset, p.epoch, p.anchor_offset, p.anchor_hash
$$;

-- Which of these partitions have a position: the others need a start.
CREATE OR REPLACE FUNCTION kentongan.known(wanted jsonb)
RETURNS TABLE (topic text, "partition" int)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT p.topic, p.partition
      FROM kentongan.log_position p
      JOIN jsonb_to_recordset(wanted) AS w (topic text, partition int)
     USING (topic, partition)
$$;

-- Move positions from where they must be. Fence, lock and position in one: KT001 when
-- somebody else has moved one of them.
CREATE OR REPLACE FUNCTION kentongan.move(moves jsonb) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    moved int;
BEGIN
    UPDATE kentongan.log_position p
       SET next_offset = m.next, anchor_offset = m.anchor,
           anchor_hash = decode(m.hash, 'hex'), moved_at = now()
      FROM jsonb_to_recordset(moves)
           AS m (topic text, partition int, old bigint, next bigint, anchor bigint, hash text)
     WHERE p.topic = m.topic AND p.partition = m.partition AND p.next_offset = m.old;
    GET DIAGNOSTICS moved = ROW_COUNT;
    IF moved <> jsonb_array_length(moves) THEN
        RAISE EXCEPTION 'fenced: another sink has moved a position' USING ERRCODE = 'KT001';
    END IF;
END
$$;

-- The streams of villages, to go on from.
CREATE OR REPLACE FUNCTION kentongan.streams(wanted jsonb)
RETURNS TABLE (village_code text, incarnation uuid, topic text, first_seq bigint,
               high_seq bigint, gaps int8multirange)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT s.village_code, s.incarnation, s.topic, s.first_seq, s.high_seq, s.gaps
      FROM kentongan.stream_position s
      JOIN jsonb_to_recordset(wanted) AS w (village_code text, incarnation uuid, topic text)
     USING (village_code, incarnation, topic)
$$;

-- Move all streams of a batch. old is null for a stream that is new.
CREATE OR REPLACE FUNCTION kentongan.advance(moves jsonb) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    moved int;
    begun int;
BEGIN
    UPDATE kentongan.stream_position s
       SET first_seq = m.first, high_seq = m.high, applied = s.applied + m.applied,
           dead = s.dead + m.dead, void = s.void + m.void, missing = m.missing,
           gaps = m.gaps
      FROM jsonb_to_recordset(moves)
           AS m (village_code text, incarnation uuid, topic text, first bigint, old bigint,
                 high bigint, applied bigint, dead bigint, missing bigint, void bigint,
                 gaps int8multirange)
     WHERE s.village_code = m.village_code AND s.incarnation = m.incarnation
       AND s.topic = m.topic AND s.high_seq = m.old;
    GET DIAGNOSTICS moved = ROW_COUNT;
    INSERT INTO kentongan.stream_position
           (village_code, incarnation, topic, first_seq, high_seq,
            applied, dead, missing, void, gaps)
    SELECT m.village_code, m.incarnation, m.topic, m.first, m.high,
           m.applied, m.dead, m.missing, m.void, m.gaps
      FROM jsonb_to_recordset(moves)
           AS m (village_code text, incarnation uuid, topic text, first bigint, old bigint,
                 high bigint, applied bigint, dead bigint, missing bigint, void bigint,
                 gaps int8multirange)
     WHERE m.old IS NULL
    ON CONFLICT DO NOTHING;
    GET DIAGNOSTICS begun = ROW_COUNT;
    IF moved + begun <> jsonb_array_length(moves) THEN
        RAISE EXCEPTION 'fenced: another sink has moved a stream' USING ERRCODE = 'KT001';
    END IF;
END
$$;

-- Keep what could not be applied. A record is set aside once.
CREATE OR REPLACE FUNCTION kentongan.set_aside(letters jsonb) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    INSERT INTO kentongan.dead_letter
           (topic, partition, kafka_offset, village_code, incarnation, seq, case_id, class,
            sqlstate, constraint_name, reason, fields, value_sha256, value)
    SELECT l.topic, l.partition, l.kafka_offset, l.village_code, l.incarnation, l.seq,
           l.case_id, l.class, l.sqlstate, l.constraint_name, l.reason, l.fields,
           decode(l.sha256, 'hex'), decode(l.value, 'hex')
      FROM jsonb_to_recordset(letters)
           AS l (topic text, partition int, kafka_offset bigint, village_code text,
                 incarnation uuid, seq bigint, case_id text, class text, sqlstate text,
                 constraint_name text, reason text, fields jsonb, sha256 text, value text)
    ON CONFLICT (topic, partition, kafka_offset) DO NOTHING
$$;

-- The sink's role may call these and nothing else here.
REVOKE ALL ON SCHEMA kentongan FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA kentongan FROM PUBLIC;
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'sink_' || current_database()) THEN
        EXECUTE format('GRANT USAGE ON SCHEMA kentongan TO %I', 'sink_' || current_database());
        EXECUTE format('GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA kentongan TO %I',
                       'sink_' || current_database());
        EXECUTE format('GRANT SELECT ON ALL TABLES IN SCHEMA kentongan TO %I',
                       'sink_' || current_database());
    END IF;
END
$$;
