-- SPDX-License-Identifier: MIT
-- What a department's database keeps for its sink: how far it is, which numbers it has,
-- and what it could not take. Installed by `kentongan department init` as the owner;
-- running it again changes nothing.
--
-- Why it holds: next_offset = n means that the effects of exactly the records before n
-- are in this database, because every transaction moves it from where it was
-- (kentongan.move, compare-and-set) together with the rows. lib/flow/deliver.c.

CREATE SCHEMA IF NOT EXISTS kentongan;

-- Whose database this is: the positions below are those of one department.
CREATE TABLE IF NOT EXISTS kentongan.department (
    one   boolean PRIMARY KEY DEFAULT true CHECK (one),
    name  text NOT NULL,
    since timestamptz NOT NULL DEFAULT now()
);

-- Which database it is, wherever it is moved: another of the same department has another.
ALTER TABLE kentongan.department
    ADD COLUMN IF NOT EXISTS id uuid NOT NULL DEFAULT gen_random_uuid();

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

ALTER TABLE kentongan.stream_position
    ADD COLUMN IF NOT EXISTS begun_at timestamptz NOT NULL DEFAULT now();

-- A number that is counted twice in one place would still add up.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_constraint
                    WHERE conname = 'nothing_is_counted_twice'
                      AND conrelid = 'kentongan.stream_position'::regclass) THEN
        ALTER TABLE kentongan.stream_position ADD CONSTRAINT nothing_is_counted_twice
            CHECK (least(applied, dead, parked, missing, void) >= 0) NOT VALID;
    END IF;
END
$$;

-- Rows move on and on: with room on their page an update touches no index.
ALTER TABLE kentongan.stream_position SET (fillfactor = 50);

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
    UNIQUE (topic, partition, kafka_offset, value_sha256)
);

-- Whether later records of its case wait behind an open letter (on_bad_record).
ALTER TABLE kentongan.dead_letter ADD COLUMN IF NOT EXISTS holds boolean NOT NULL DEFAULT false;
-- The name in decided_by is the caller's word; this is the role that he came by.
ALTER TABLE kentongan.dead_letter ADD COLUMN IF NOT EXISTS decided_role text;
CREATE INDEX IF NOT EXISTS dead_letter_open
    ON kentongan.dead_letter (topic, village_code, case_id) WHERE status = 'open';

-- Records that wait: behind an open dead letter of their case, or, with a deadline, for a
-- row of others that their own refers to (SQLSTATE 23503). Their content stays in Kafka.
CREATE TABLE IF NOT EXISTS kentongan.waiting (
    topic           text   NOT NULL,
    partition       int    NOT NULL,
    kafka_offset    bigint NOT NULL,
    village_code    text   NOT NULL,
    incarnation     uuid   NOT NULL,
    seq             bigint NOT NULL,
    case_id         text   NOT NULL,
    deadline        timestamptz,
    constraint_name text,
    value_sha256    bytea NOT NULL,
    parked_at       timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (topic, partition, kafka_offset)
);
CREATE INDEX IF NOT EXISTS waiting_case ON kentongan.waiting (topic, village_code, case_id);

-- Who looked at the personal data of a dead letter.
CREATE TABLE IF NOT EXISTS kentongan.looked_at (
    letter bigint NOT NULL,
    who    text NOT NULL,
    role   text NOT NULL DEFAULT session_user,
    at     timestamptz NOT NULL DEFAULT now()
);

-- Who saw personal data, or saw events again, and why; in satu_data. What was seen is not
-- kept here.
CREATE TABLE IF NOT EXISTS kentongan.audit (
    at           timestamptz NOT NULL DEFAULT now(),
    who          text NOT NULL,
    role         text NOT NULL DEFAULT session_user,
    what         text NOT NULL, -- 'replay', 'case', ...
    reason       text NOT NULL,
    village_code text,
    case_id      text
);

-- Positions that a person moved past a log that was lost or made anew.
CREATE TABLE IF NOT EXISTS kentongan.adoption (
    topic       text   NOT NULL,
    partition   int    NOT NULL,
    old_offset  bigint NOT NULL,
    new_offset  bigint NOT NULL,
    who         text   NOT NULL,
    why         text   NOT NULL,
    at          timestamptz NOT NULL DEFAULT now()
);

-- Which mapping runs, and how many records it has taken: a new one is watched closely.
CREATE TABLE IF NOT EXISTS kentongan.mapping (
    topic       text   PRIMARY KEY,
    fingerprint bytea  NOT NULL, -- SHA-256 of its SQL
    taken       bigint NOT NULL DEFAULT 0,
    since       timestamptz NOT NULL DEFAULT now()
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

-- The streams of villages, to go on from; high_seq is null where there is none yet. An
-- heir is a new life of a village's spool: its clients may repeat what an earlier one
-- took, for as long as a key is kept. Two lives may be met at once, neither known yet.
CREATE OR REPLACE FUNCTION kentongan.streams(wanted text, villages text[],
                                             incarnations uuid[])
RETURNS TABLE (village_code text, incarnation uuid, topic text, first_seq bigint,
               high_seq bigint, gaps int8multirange, heir boolean)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_material = off
SET enable_hashjoin = off SET enable_mergejoin = off AS $$
    SELECT w.village_code, w.incarnation, w.topic, s.first_seq, s.high_seq, s.gaps,
           coalesce(s.begun_at, now()) > now() - interval '35 days'
           AND (w.lives > 1
                OR EXISTS (SELECT FROM kentongan.stream_position e
                            WHERE e.village_code = w.village_code AND e.topic = w.topic
                              AND e.incarnation <> w.incarnation
                              AND (s.begun_at IS NULL OR e.begun_at <= s.begun_at)))
      FROM (SELECT r.*, count(*) OVER (PARTITION BY r.village_code) AS lives
              FROM unnest(villages, incarnations,
                          array_fill(wanted, ARRAY[cardinality(villages)]))
                   AS r (village_code, incarnation, topic)) w
      LEFT JOIN kentongan.stream_position s USING (village_code, incarnation, topic)
$$;
DROP FUNCTION IF EXISTS kentongan.streams(jsonb); -- as it was before

-- Move all streams of a batch in one topic, an element of each array for each of them.
-- old is 0 for a stream that is new; an array of nothings is NULL. A plan that was made
-- while the table was empty would read all of it for each stream: only the index is left.
CREATE OR REPLACE FUNCTION kentongan.advance(
    moved_topic text, villages text[], incarnations uuid[], firsts bigint[], olds bigint[],
    highs bigint[], more_applied bigint[], more_dead bigint[], more_parked bigint[],
    now_missing bigint[], more_void bigint[], now_gaps int8multirange[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_material = off
SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    moved int;
    begun int := 0;
BEGIN
    UPDATE kentongan.stream_position s
       SET first_seq = m.first, high_seq = m.high,
           applied = s.applied + coalesce(m.applied, 0), dead = s.dead + coalesce(m.dead, 0),
           parked = s.parked + coalesce(m.parked, 0), void = s.void + coalesce(m.void, 0),
           missing = coalesce(m.missing, 0), gaps = coalesce(m.gaps, '{}')
      FROM unnest(villages, incarnations, array_fill(moved_topic, ARRAY[cardinality(villages)]),
                  firsts, olds, highs, more_applied, more_dead, more_parked, now_missing,
                  more_void, now_gaps)
           AS m (village_code, incarnation, topic, first, old, high, applied, dead, parked,
                 missing, void, gaps)
     WHERE s.village_code = m.village_code AND s.incarnation = m.incarnation
       AND s.topic = m.topic AND s.high_seq = m.old;
    GET DIAGNOSTICS moved = ROW_COUNT;
    IF moved < cardinality(villages) THEN
        INSERT INTO kentongan.stream_position
               (village_code, incarnation, topic, first_seq, high_seq,
                applied, dead, parked, missing, void, gaps)
        SELECT m.village_code, m.incarnation, moved_topic, m.first, m.high,
               coalesce(m.applied, 0), coalesce(m.dead, 0), coalesce(m.parked, 0),
               coalesce(m.missing, 0), coalesce(m.void, 0), coalesce(m.gaps, '{}')
          FROM unnest(villages, incarnations, firsts, olds, highs, more_applied, more_dead,
                      more_parked, now_missing, more_void, now_gaps)
               AS m (village_code, incarnation, first, old, high, applied, dead, parked,
                     missing, void, gaps)
         WHERE coalesce(m.old, 0) = 0
        ON CONFLICT DO NOTHING;
        GET DIAGNOSTICS begun = ROW_COUNT;
    END IF;
    IF moved + begun <> cardinality(villages) THEN
        RAISE EXCEPTION 'fenced: another sink has moved a stream' USING ERRCODE = 'KT001';
    END IF;
END
$$;
DROP FUNCTION IF EXISTS kentongan.advance(jsonb); -- as it was before

-- Keep what could not be applied. A record is set aside once.
CREATE OR REPLACE FUNCTION kentongan.set_aside(letters jsonb) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    INSERT INTO kentongan.dead_letter
           (topic, partition, kafka_offset, village_code, incarnation, seq, case_id, class,
            sqlstate, constraint_name, reason, holds, fields, value_sha256, value)
    SELECT l.topic, l.partition, l.kafka_offset, l.village_code, l.incarnation, l.seq,
           l.case_id, l.class, l.sqlstate, l.constraint_name, l.reason, l.holds, l.fields,
           decode(l.sha256, 'hex'), decode(l.value, 'hex')
      FROM jsonb_to_recordset(letters)
           AS l (topic text, partition int, kafka_offset bigint, village_code text,
                 incarnation uuid, seq bigint, case_id text, class text, sqlstate text,
                 constraint_name text, reason text, holds boolean, fields jsonb, sha256 text,
                 value text)
    ON CONFLICT (topic, partition, kafka_offset, value_sha256) DO NOTHING
$$;

-- The cases that are held in these topics, and whether one waits for a row of others.
CREATE OR REPLACE FUNCTION kentongan.held(topics jsonb)
RETURNS TABLE (topic text, village_code text, case_id text, awaits boolean)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT h.topic, h.village_code, h.case_id, bool_or(h.awaits)
      FROM (SELECT l.topic, l.village_code, l.case_id, false AS awaits
              FROM kentongan.dead_letter l
             WHERE l.status = 'open' AND l.holds AND l.case_id IS NOT NULL
            UNION ALL
            SELECT w.topic, w.village_code, w.case_id, w.deadline IS NOT NULL
              FROM kentongan.waiting w) h
     WHERE topics ? h.topic
     GROUP BY 1, 2, 3
$$;

-- Waiting records that nothing holds any more would wait for ever. KT002: the case has
-- changed under the caller's hands; look again.
CREATE OR REPLACE FUNCTION kentongan.nothing_waits_alone(cases jsonb) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF EXISTS (
        SELECT FROM kentongan.waiting w
          JOIN (SELECT DISTINCT c.topic, c.village_code, c.case_id
                  FROM jsonb_to_recordset(cases)
                       AS c (topic text, village_code text, case_id text)) c
         USING (topic, village_code, case_id)
         WHERE w.deadline IS NULL
           AND NOT EXISTS (SELECT FROM kentongan.dead_letter l
                            WHERE l.topic = w.topic AND l.village_code = w.village_code
                              AND l.case_id = w.case_id AND l.status = 'open' AND l.holds
                              AND l.kafka_offset < w.kafka_offset)
           AND NOT EXISTS (SELECT FROM kentongan.waiting b
                            WHERE b.topic = w.topic AND b.village_code = w.village_code
                              AND b.case_id = w.case_id AND b.deadline IS NOT NULL
                              AND b.kafka_offset < w.kafka_offset)) THEN
        RAISE EXCEPTION 'a case has changed meanwhile' USING ERRCODE = 'KT002';
    END IF;
END
$$;

-- Let records wait. deadline_ms is set for one that waits for a row of others.
CREATE OR REPLACE FUNCTION kentongan.park(records jsonb) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    INSERT INTO kentongan.waiting
           (topic, partition, kafka_offset, village_code, incarnation, seq, case_id,
            deadline, constraint_name, value_sha256)
    SELECT r.topic, r.partition, r.kafka_offset, r.village_code, r.incarnation, r.seq,
           r.case_id, now() + r.deadline_ms * interval '1 ms', r.constraint_name,
           decode(r.sha256, 'hex')
      FROM jsonb_to_recordset(records)
           AS r (topic text, partition int, kafka_offset bigint, village_code text,
                 incarnation uuid, seq bigint, case_id text, deadline_ms bigint,
                 constraint_name text, sha256 text)
    ON CONFLICT (topic, partition, kafka_offset) DO UPDATE
       SET deadline = CASE WHEN excluded.deadline IS NULL THEN NULL
                           ELSE coalesce(waiting.deadline, excluded.deadline) END,
           constraint_name = excluded.constraint_name;
$$;

-- How many records a mapping has taken; another text begins at 0 again.
CREATE OR REPLACE FUNCTION kentongan.mapping_taken(wanted_topic text, wanted text)
RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce((SELECT m.taken FROM kentongan.mapping m
                      WHERE m.topic = wanted_topic AND m.fingerprint = decode(wanted, 'hex')), 0)
$$;

CREATE OR REPLACE FUNCTION kentongan.mapping_took(wanted_topic text, wanted text, more bigint)
RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    INSERT INTO kentongan.mapping AS m (topic, fingerprint, taken)
    VALUES (wanted_topic, decode(wanted, 'hex'), more)
    ON CONFLICT (topic) DO UPDATE
       SET taken = CASE WHEN m.fingerprint = excluded.fingerprint THEN m.taken ELSE 0 END
                   + excluded.taken,
           since = CASE WHEN m.fingerprint = excluded.fingerprint THEN m.since ELSE now() END,
           fingerprint = excluded.fingerprint
$$;

-- What a COPY into a table goes by, as the versions of the rows that describe it.
CREATE OR REPLACE FUNCTION kentongan.form(wanted oid) RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN concat_ws(' ',
        (SELECT c.xmin FROM pg_class c WHERE c.oid = wanted),
        (SELECT count(*) FROM pg_trigger t WHERE t.tgrelid = wanted AND NOT t.tgisinternal),
        (SELECT string_agg(a.xmin::text, ',' ORDER BY a.attnum) FROM pg_attribute a
          WHERE a.attrelid = wanted AND a.attnum > 0),
        (SELECT string_agg(d.xmin::text, ',' ORDER BY d.adnum) FROM pg_attrdef d
          WHERE d.adrelid = wanted),
        (SELECT string_agg(i.indexrelid::text, ',' ORDER BY i.indexrelid) FROM pg_index i
          WHERE i.indrelid = wanted));
END
$$;

-- KT004: the table is another than it was, or another has its name; asked behind a COPY,
-- which lets nobody change it.
CREATE OR REPLACE FUNCTION kentongan.still(name text, wanted oid, form text) RETURNS void
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF kentongan.form(wanted) IS DISTINCT FROM form
       OR to_regclass(name) IS DISTINCT FROM wanted THEN
        RAISE EXCEPTION 'the table has changed' USING ERRCODE = 'KT004';
    END IF;
END
$$;

-- Whether a CHECK, an index or a default of a table calls what somebody wrote, which may look
-- at the table: a COPY shows it none of the thousand rows that it writes at once.
CREATE OR REPLACE FUNCTION kentongan.calls_functions(wanted oid) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT EXISTS (
        SELECT FROM pg_depend d
         WHERE d.refclassid IN ('pg_proc'::regclass, 'pg_operator'::regclass)
           AND (d.classid, d.objid) IN (
                SELECT 'pg_constraint'::regclass::oid, c.oid FROM pg_constraint c
                 WHERE c.conrelid = wanted AND c.contype = 'c'
                UNION ALL
                SELECT 'pg_class'::regclass, i.indexrelid FROM pg_index i WHERE i.indrelid = wanted
                UNION ALL
                SELECT 'pg_attrdef'::regclass, a.oid FROM pg_attrdef a WHERE a.adrelid = wanted))
$$;

-- Whether a prepared statement names this relation, and no view: a plan shows neither a view
-- nor its check option. Of a body in standard SQL PostgreSQL keeps what it names.
CREATE OR REPLACE FUNCTION kentongan.names_only(mapping text, wanted oid) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    found boolean;
BEGIN
    EXECUTE (SELECT 'CREATE FUNCTION pg_temp.named() RETURNS void LANGUAGE sql BEGIN ATOMIC '
                    || substr(p.statement, length('PREPARE ' || mapping || ' AS ') + 1)
                    || E'\n;END'
               FROM pg_catalog.pg_prepared_statements p WHERE p.name = mapping);
    SELECT bool_or(c.oid = wanted) AND bool_and(c.relkind <> 'v') INTO found
      FROM pg_catalog.pg_depend d
      JOIN pg_catalog.pg_class c ON d.refclassid = 'pg_class'::regclass AND c.oid = d.refobjid
     WHERE d.classid = 'pg_proc'::regclass AND d.objid = 'pg_temp.named'::regproc;
    DROP FUNCTION pg_temp.named();
    RETURN found;
END
$$;

-- The straight way of a prepared mapping, where it has one: an INSERT into an ordinary table
-- whose plan only reads the batch and puts columns of it into columns of the same type, and
-- into each other one what it has by default. cells: which of the batch's, from 0, in its
-- order. Nothing that may look at the batch, or elsewhere, is on the way: no trigger, rule,
-- policy, view or function of somebody's. No search_path is set: the mapping would be read anew by it.
CREATE OR REPLACE FUNCTION kentongan.straight(mapping text)
RETURNS TABLE (copy text, cells text, conflicts boolean, guard text)
LANGUAGE plpgsql AS $$
DECLARE
    plan   jsonb;
    top    jsonb;
    scan   jsonb;
    target oid;
BEGIN
    EXECUTE format('EXPLAIN (VERBOSE, FORMAT JSON) EXECUTE %I', mapping) INTO plan;
    top := plan -> 0 -> 'Plan';
    scan := top -> 'Plans' -> 0;
    IF jsonb_array_length(plan) <> 1 OR top ->> 'Operation' IS DISTINCT FROM 'Insert'
       OR top ? 'Output' OR jsonb_array_length(top -> 'Plans') <> 1
       OR scan ->> 'Node Type' <> 'Seq Scan' OR scan ? 'Filter' OR scan ? 'Plans'
       OR 'map_' || (scan ->> 'Relation Name') <> mapping
       OR scan ->> 'Schema' NOT LIKE 'pg\_temp%' OR top ->> 'Schema' = 'kentongan' THEN
        RETURN;
    END IF;
    SELECT c.oid INTO target
      FROM pg_catalog.pg_class c
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = top ->> 'Schema' AND c.relname = top ->> 'Relation Name'
       AND c.relkind = 'r' AND NOT c.relrowsecurity AND NOT c.relhasrules
       AND NOT EXISTS (SELECT FROM pg_catalog.pg_trigger t
                        WHERE t.tgrelid = c.oid AND NOT t.tgisinternal);
    IF target IS NULL OR kentongan.calls_functions(target)
       OR NOT kentongan.names_only(mapping, target) THEN
        RETURN;
    END IF;
    RETURN QUERY
    SELECT format('COPY %I.%I (%s) FROM STDIN BINARY', top ->> 'Schema',
                  top ->> 'Relation Name',
                  string_agg(quote_ident(a.attname), ', ' ORDER BY b.attnum)
                      FILTER (WHERE b.attnum IS NOT NULL)),
           string_agg((b.attnum - 1)::text, ',' ORDER BY b.attnum),
           top ? 'Conflict Resolution',
           format('SELECT kentongan.still(%L, %s, %L);',
                  format('%I.%I', top ->> 'Schema', top ->> 'Relation Name'), target,
                  kentongan.form(target))
      FROM (SELECT * FROM jsonb_array_elements_text(scan -> 'Output')
                     WITH ORDINALITY AS o (expression, attnum)) o
      FULL JOIN (SELECT * FROM pg_catalog.pg_attribute
                  WHERE attrelid = target AND attnum > 0) a ON a.attnum = o.attnum
      LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
      LEFT JOIN pg_catalog.pg_attribute b
             ON b.attrelid = format('pg_temp.%I', scan ->> 'Relation Name')::regclass
            AND b.attnum > 0 AND b.atttypid = a.atttypid
            AND o.expression = format('%I.%I', scan ->> 'Alias', b.attname)
    HAVING count(b.attnum) > 0 AND count(DISTINCT b.attnum) = count(b.attnum)
       AND bool_and(coalesce(a.attisdropped OR b.attnum IS NOT NULL
                             OR o.expression = coalesce(pg_get_expr(d.adbin, d.adrelid),
                                    'NULL::' || format_type(a.atttypid, a.atttypmod)), false));
END
$$;

-- Mending. A queue is a case's records that have not been applied, in order: the letter
-- that holds them and those that wait, up to the next letter that holds. `was` says where a
-- record is counted now; none: it could not be read, so its number has not come yet.
CREATE OR REPLACE FUNCTION kentongan.queue(wanted_topic text, wanted_village text,
                                           wanted_case text, first_offset bigint)
RETURNS TABLE (id bigint, "partition" int, kafka_offset bigint, was text, overdue boolean,
               sha256 text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH letters AS (
        SELECT l.id, l.partition, l.kafka_offset,
               CASE WHEN l.class = 'data' THEN 'dead' ELSE 'none' END AS was,
               encode(l.value_sha256, 'hex') AS sha256
          FROM kentongan.dead_letter l
         WHERE l.status = 'open' AND l.holds AND l.topic = wanted_topic
           AND l.village_code = wanted_village AND l.case_id = wanted_case)
    SELECT l.id, l.partition, l.kafka_offset, l.was, false, l.sha256
      FROM letters l WHERE l.kafka_offset = first_offset
    UNION ALL
    SELECT NULL, w.partition, w.kafka_offset, 'parked', coalesce(w.deadline < now(), false),
           encode(w.value_sha256, 'hex')
      FROM kentongan.waiting w
     WHERE w.topic = wanted_topic AND w.village_code = wanted_village
       AND w.case_id = wanted_case AND w.kafka_offset >= first_offset
       AND w.kafka_offset < ALL (SELECT l.kafka_offset FROM letters l
                                  WHERE l.kafka_offset > first_offset)
     ORDER BY 3
$$;

-- The heads of queues that wait for rows of others.
CREATE OR REPLACE FUNCTION kentongan.awaiting(partitions jsonb)
RETURNS TABLE (topic text, "partition" int, village_code text, case_id text,
               first_offset bigint, letter bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT w.topic, w.partition, w.village_code, w.case_id, min(w.kafka_offset), NULL::bigint
      FROM kentongan.waiting w
      JOIN jsonb_to_recordset(partitions) AS p (topic text, partition int)
     USING (topic, partition)
     WHERE w.deadline IS NOT NULL
     GROUP BY 1, 2, 3, 4
     ORDER BY 1, 2, 5
$$;

-- Letters whose schema was unknown and may be known now.
CREATE OR REPLACE FUNCTION kentongan.unknown(partitions jsonb)
RETURNS TABLE (topic text, "partition" int, village_code text, case_id text,
               first_offset bigint, letter bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT l.topic, l.partition, l.village_code, l.case_id, l.kafka_offset, l.id
      FROM kentongan.dead_letter l
      JOIN jsonb_to_recordset(partitions) AS p (topic text, partition int)
     USING (topic, partition)
     WHERE l.status = 'open' AND l.class = 'unknown-schema'
     ORDER BY 1, 2, 5
$$;

-- Keep the sink of a partition out until the transaction ends.
CREATE OR REPLACE FUNCTION kentongan.hold(wanted_topic text, wanted_partition int)
RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT FROM kentongan.log_position p
     WHERE p.topic = wanted_topic AND p.partition = wanted_partition FOR UPDATE
$$;

-- What became of a queue's records: letters and waiting ones are closed, and the numbers
-- move from where they were counted to where they are now. KT002: somebody else decided
-- one of them before the partition was held, so it was mapped a second time just now.
CREATE OR REPLACE FUNCTION kentongan.settle(outcomes jsonb, who text, why text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM jsonb_to_recordset(outcomes)
                      AS o (id bigint, topic text, partition int, kafka_offset bigint, was text)
                WHERE CASE WHEN o.was = 'parked'
                           THEN NOT EXISTS (SELECT FROM kentongan.waiting w
                                             WHERE w.topic = o.topic AND w.partition = o.partition
                                               AND w.kafka_offset = o.kafka_offset)
                           ELSE NOT EXISTS (SELECT FROM kentongan.dead_letter l
                                             WHERE l.id = o.id AND l.status = 'open') END) THEN
        RAISE EXCEPTION 'a case has changed meanwhile' USING ERRCODE = 'KT002';
    END IF;
    UPDATE kentongan.dead_letter l
       SET status = CASE o.now WHEN 'void' THEN 'waived' ELSE 'applied' END,
           decided_by = who, decided_role = session_user, decided_at = now(),
           note = nullif(why, '')
      FROM jsonb_to_recordset(outcomes) AS o (id bigint, now text)
     WHERE l.id = o.id AND l.status = 'open' AND o.now IN ('applied', 'void');
    DELETE FROM kentongan.waiting w
     USING jsonb_to_recordset(outcomes)
           AS o (topic text, partition int, kafka_offset bigint, was text, now text)
     WHERE w.topic = o.topic AND w.partition = o.partition
       AND w.kafka_offset = o.kafka_offset AND o.was = 'parked' AND o.now <> 'parked';
    UPDATE kentongan.stream_position s
       SET applied = s.applied + m.applied, dead = s.dead + m.dead,
           parked = s.parked + m.parked, void = s.void + m.void
      FROM (SELECT o.village_code, o.incarnation, o.topic,
                   count(*) FILTER (WHERE o.now = 'applied') AS applied,
                   count(*) FILTER (WHERE o.now = 'dead')
                       - count(*) FILTER (WHERE o.was = 'dead') AS dead,
                   count(*) FILTER (WHERE o.now = 'parked')
                       - count(*) FILTER (WHERE o.was = 'parked') AS parked,
                   count(*) FILTER (WHERE o.now = 'void') AS void
              FROM jsonb_to_recordset(outcomes)
                   AS o (topic text, village_code text, incarnation uuid, was text, now text)
             WHERE o.was <> 'none'
             GROUP BY 1, 2, 3) m
     WHERE s.village_code = m.village_code AND s.incarnation = m.incarnation
       AND s.topic = m.topic;
    PERFORM kentongan.nothing_waits_alone(outcomes);
END
$$;

-- A person drops a dead letter: its number is void, its case goes on.
CREATE OR REPLACE FUNCTION kentongan.waive(letter bigint, who text, why text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    closed kentongan.dead_letter;
BEGIN
    UPDATE kentongan.dead_letter l
       SET status = 'waived', decided_by = who, decided_role = session_user, decided_at = now(),
           note = nullif(why, '')
     WHERE l.id = letter AND l.status = 'open'
    RETURNING * INTO closed;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the letter is decided already' USING ERRCODE = 'KT002';
    END IF;
    IF closed.class = 'data' THEN
        UPDATE kentongan.stream_position s
           SET dead = s.dead - 1, void = s.void + 1
         WHERE s.village_code = closed.village_code
           AND s.incarnation = closed.incarnation AND s.topic = closed.topic;
    END IF;
END
$$;

-- A person drops a letter and all that waits behind it, unread: what is gone from Kafka
-- can be applied no more. How many waited.
CREATE OR REPLACE FUNCTION kentongan.waive_all(letter bigint, who text, why text)
RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    head kentongan.dead_letter;
    dropped bigint;
BEGIN
    SELECT * INTO head FROM kentongan.dead_letter l WHERE l.id = letter;
    PERFORM kentongan.hold(head.topic, head.partition);
    PERFORM kentongan.waive(letter, who, why);
    WITH behind AS (
        DELETE FROM kentongan.waiting w
         USING kentongan.queue(head.topic, head.village_code, head.case_id,
                               head.kafka_offset) q
         WHERE head.holds AND q.was = 'parked' AND w.topic = head.topic
           AND w.partition = q.partition AND w.kafka_offset = q.kafka_offset
        RETURNING w.*
    ), kept AS (
        INSERT INTO kentongan.dead_letter
               (topic, partition, kafka_offset, village_code, incarnation, seq, case_id,
                class, reason, status, decided_by, decided_role, decided_at, note, value_sha256)
        SELECT topic, partition, kafka_offset, village_code, incarnation, seq, case_id,
               'data', 'waited behind a letter that was waived', 'waived', who, session_user,
               now(), why, value_sha256
          FROM behind
        RETURNING topic, village_code, incarnation
    ), moved AS (
        UPDATE kentongan.stream_position s
           SET parked = s.parked - k.n, void = s.void + k.n
          FROM (SELECT topic, village_code, incarnation, count(*) AS n
                  FROM kept GROUP BY 1, 2, 3) k
         WHERE s.topic = k.topic AND s.village_code = k.village_code
           AND s.incarnation = k.incarnation
    )
    SELECT count(*) INTO dropped FROM kept;
    RETURN dropped;
END
$$;

CREATE OR REPLACE FUNCTION kentongan.looked(letter bigint, who text) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    INSERT INTO kentongan.looked_at (letter, who) VALUES (letter, who)
$$;

CREATE OR REPLACE FUNCTION kentongan.note(who text, what text, reason text,
                                          village_code text, case_id text) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    INSERT INTO kentongan.audit (who, what, reason, village_code, case_id)
    VALUES (who, what, reason, nullif(village_code, ''), nullif(case_id, ''))
$$;

-- A person has looked: go on with the log as it is now. Streams keep their numbers, so
-- that events sent again are recognised.
CREATE OR REPLACE FUNCTION kentongan.adopt(places jsonb, who text, why text)
RETURNS TABLE ("partition" int, old_offset bigint, new_offset bigint)
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH old AS (
        SELECT p.topic, p.partition, p.next_offset, w.start
          FROM kentongan.log_position p
          JOIN jsonb_to_recordset(places) AS w (topic text, partition int, start bigint)
         USING (topic, partition)
           FOR UPDATE OF p
    ), moved AS (
        UPDATE kentongan.log_position p
           SET next_offset = old.start, anchor_offset = NULL, anchor_hash = NULL,
               moved_at = now()
          FROM old WHERE p.topic = old.topic AND p.partition = old.partition
    )
    INSERT INTO kentongan.adoption AS a (topic, partition, old_offset, new_offset, who, why)
    SELECT old.topic, old.partition, old.next_offset, old.start, who, why FROM old
    RETURNING a.partition, a.old_offset, a.new_offset
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
        EXECUTE format('REVOKE EXECUTE ON FUNCTION kentongan.waive, kentongan.waive_all, kentongan.adopt FROM %I',
                       'sink_' || current_database());
        EXECUTE format('GRANT SELECT ON ALL TABLES IN SCHEMA kentongan TO %I',
                       'sink_' || current_database());
    END IF;
END
$$;

-- The monitor's role, where there is one (satu_data): how far streams are, and who looked.
DO $$
DECLARE
    monitor text := 'monitor_' || current_database();
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = monitor) THEN
        EXECUTE format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), monitor);
        EXECUTE format('GRANT USAGE ON SCHEMA kentongan TO %I', monitor);
        EXECUTE format('GRANT SELECT ON kentongan.stream_position TO %I', monitor);
        EXECUTE format('GRANT EXECUTE ON FUNCTION kentongan.note TO %I', monitor);
    END IF;
END
$$;
