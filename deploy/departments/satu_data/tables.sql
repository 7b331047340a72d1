-- SPDX-License-Identifier: MIT
-- A row an event, every field. event_id tells events apart, and nothing else does.

CREATE TABLE IF NOT EXISTS requests (
    event_id          uuid PRIMARY KEY,
    village_code      text NOT NULL,
    incarnation       uuid NOT NULL,
    seq               bigint NOT NULL,
    occurred_at       timestamptz NOT NULL,
    recorded_at       timestamptz NOT NULL,
    clock             text NOT NULL,
    case_id           text NOT NULL,
    service           text NOT NULL,
    actor_role        text NOT NULL,
    actor_name        text,
    corrects          uuid,
    action            text NOT NULL,
    applicant_nik     text,
    applicant_name    text,
    applicant_address text,
    applicant_phone   text,
    attributes        jsonb NOT NULL,
    documents         jsonb NOT NULL,
    appended_at       timestamptz NOT NULL,
    late              boolean NOT NULL
);
CREATE INDEX IF NOT EXISTS requests_case ON requests (village_code, case_id);

CREATE TABLE IF NOT EXISTS approvals (
    event_id      uuid PRIMARY KEY,
    village_code  text NOT NULL,
    incarnation   uuid NOT NULL,
    seq           bigint NOT NULL,
    occurred_at   timestamptz NOT NULL,
    recorded_at   timestamptz NOT NULL,
    clock         text NOT NULL,
    case_id       text NOT NULL,
    service       text NOT NULL,
    actor_role    text NOT NULL,
    actor_name    text,
    corrects      uuid,
    step          text NOT NULL,
    decision      text NOT NULL,
    letter_number text,
    note          text,
    appended_at   timestamptz NOT NULL,
    late          boolean NOT NULL
);
CREATE INDEX IF NOT EXISTS approvals_case ON approvals (village_code, case_id);

CREATE TABLE IF NOT EXISTS payments (
    event_id     uuid PRIMARY KEY,
    village_code text NOT NULL,
    incarnation  uuid NOT NULL,
    seq          bigint NOT NULL,
    occurred_at  timestamptz NOT NULL,
    recorded_at  timestamptz NOT NULL,
    clock        text NOT NULL,
    case_id      text NOT NULL,
    service      text NOT NULL,
    actor_role   text NOT NULL,
    actor_name   text,
    corrects     uuid,
    action       text NOT NULL,
    kind         text NOT NULL,
    amount       numeric(18,2) NOT NULL,
    currency     text NOT NULL,
    method       text NOT NULL,
    payer_nik    text,
    payer_name   text,
    reference    text,
    period       text,
    appended_at  timestamptz NOT NULL,
    late         boolean NOT NULL
);
CREATE INDEX IF NOT EXISTS payments_case ON payments (village_code, case_id);

-- A case's whole life in the order in which things happened.
CREATE OR REPLACE VIEW case_timeline (village_code, case_id, occurred_at, recorded_at, kind,
                                      what, who, amount, event_id) AS
    SELECT village_code, case_id, occurred_at, recorded_at, 'request', action, actor_role,
           NULL::numeric, event_id
      FROM requests
    UNION ALL
    SELECT village_code, case_id, occurred_at, recorded_at, 'approval',
           step || ' ' || decision, actor_role, NULL, event_id
      FROM approvals
    UNION ALL
    SELECT village_code, case_id, occurred_at, recorded_at, 'payment',
           action || ' ' || kind, actor_role, amount, event_id
      FROM payments;

-- The monitor reads cases here: docs/decisions/0051.
DO $$
DECLARE
    monitor text := 'monitor_' || current_database();
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = monitor) THEN
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', current_schema(), monitor);
        EXECUTE format('GRANT SELECT ON ALL TABLES IN SCHEMA %I TO %I', current_schema(), monitor);
    END IF;
END
$$;
