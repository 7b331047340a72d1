-- SPDX-License-Identifier: MIT
-- The rights of a department's sink: what its mappings do, as PostgreSQL plans them, and
-- nothing else (docs/decisions/0008). Functions of one session, called by `kentongan
-- department init` and `check` as the owner, after the mappings were prepared.

-- The tables that a prepared mapping touches. KT003: it would write where positions,
-- numbers and dead letters are kept.
CREATE OR REPLACE FUNCTION pg_temp.touched(mapping text)
RETURNS TABLE (schema text, relation text, rights text)
LANGUAGE plpgsql AS $$
DECLARE
    plan jsonb;
BEGIN
    EXECUTE format('EXPLAIN (VERBOSE, FORMAT JSON) EXECUTE %I', mapping) INTO plan;
    RETURN QUERY
        SELECT DISTINCT node ->> 'Schema', node ->> 'Relation Name',
               'SELECT' || CASE node ->> 'Operation'
                                WHEN 'Insert' THEN ', INSERT'
                                WHEN 'Update' THEN ', UPDATE'
                                WHEN 'Delete' THEN ', DELETE'
                                WHEN 'Merge' THEN ', INSERT, UPDATE, DELETE'
                                ELSE '' END
                        || CASE node ->> 'Conflict Resolution'
                                WHEN 'UPDATE' THEN ', UPDATE' ELSE '' END
          FROM jsonb_path_query(plan, '$.** ? (exists(@."Relation Name"))') AS node
         WHERE node ->> 'Schema' NOT LIKE 'pg\_temp%';
    IF EXISTS (SELECT FROM jsonb_path_query(plan, '$.** ? (@."Schema" == "kentongan"
                                                            && exists(@."Operation"))')) THEN
        RAISE EXCEPTION 'a mapping writes tables of kentongan' USING ERRCODE = 'KT003';
    END IF;
END
$$;

-- Take back what any mapping was given before, in whatever schema: each runs anew.
CREATE OR REPLACE FUNCTION pg_temp.take_back() RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    sink text := 'sink_' || current_database();
    part record;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = sink) THEN
        RETURN;
    END IF;
    FOR part IN
        SELECT n.nspname AS schema, c.relname AS relation
          FROM pg_class c
          JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname NOT LIKE 'pg\_%'
           AND n.nspname <> 'information_schema' AND pg_has_role(c.relowner, 'USAGE')
           AND (has_any_column_privilege(sink, c.oid, 'SELECT, INSERT, UPDATE, REFERENCES')
                OR has_table_privilege(sink, c.oid, 'DELETE, TRUNCATE, TRIGGER'))
    LOOP
        EXECUTE format('REVOKE ALL ON %I.%I FROM %I', part.schema, part.relation, sink);
    END LOOP;
END
$$;

-- A mapping that goes through a view or a trigger needs what tables.sql grants by hand.
CREATE OR REPLACE FUNCTION pg_temp.give(mapping text) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    sink text := 'sink_' || current_database();
    part record;
BEGIN
    FOR part IN SELECT * FROM pg_temp.touched(mapping) LOOP
        IF EXISTS (SELECT FROM pg_roles WHERE rolname = sink) THEN
            EXECUTE format('GRANT %s ON %I.%I TO %I', part.rights, part.schema, part.relation, sink);
        END IF;
    END LOOP;
END
$$;

CREATE OR REPLACE FUNCTION pg_temp.let_in() RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    sink text := 'sink_' || current_database();
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = sink) THEN
        EXECUTE format('GRANT CONNECT, TEMPORARY ON DATABASE %I TO %I', current_database(), sink);
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', current_schema(), sink);
        EXECUTE format('GRANT USAGE ON ALL SEQUENCES IN SCHEMA %I TO %I', current_schema(), sink);
    END IF;
END
$$;
