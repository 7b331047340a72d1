-- SPDX-License-Identifier: MIT
-- The rights of a department's sink: what its mappings do, as PostgreSQL plans them, and
-- nothing else (docs/decisions/0008). Run as the owner, after the mappings were prepared.
-- A mapping that goes through a view or a trigger needs what tables.sql grants by hand.
DO $$
DECLARE
    sink text := 'sink_' || current_database();
    mapping text;
    plan jsonb;
    part record;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = sink) THEN
        RETURN;
    END IF;
    EXECUTE format('GRANT CONNECT, TEMPORARY ON DATABASE %I TO %I', current_database(), sink);
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', current_schema(), sink);
    EXECUTE format('GRANT USAGE ON ALL SEQUENCES IN SCHEMA %I TO %I', current_schema(), sink);
    FOR mapping IN SELECT name FROM pg_prepared_statements WHERE name LIKE 'map\_%' LOOP
        EXECUTE format('EXPLAIN (VERBOSE, FORMAT JSON) EXECUTE %I', mapping) INTO plan;
        FOR part IN
            SELECT DISTINCT node ->> 'Schema' AS schema, node ->> 'Relation Name' AS relation,
                   'SELECT' || CASE node ->> 'Operation'
                                    WHEN 'Insert' THEN ', INSERT'
                                    WHEN 'Update' THEN ', UPDATE'
                                    WHEN 'Delete' THEN ', DELETE'
                                    WHEN 'Merge' THEN ', INSERT, UPDATE, DELETE'
                                    ELSE '' END
                            || CASE node ->> 'Conflict Resolution'
                                    WHEN 'UPDATE' THEN ', UPDATE' ELSE '' END AS rights
              FROM jsonb_path_query(plan, '$.** ? (exists(@."Relation Name"))') AS node
             WHERE node ->> 'Schema' NOT LIKE 'pg\_temp%'
        LOOP
            EXECUTE format('GRANT %s ON %I.%I TO %I', part.rights, part.schema, part.relation, sink);
        END LOOP;
    END LOOP;
END
$$;
