-- SPDX-License-Identifier: MIT
-- A row an event, also when it comes under two incarnations: the sink knows most of those
-- again, not one that a damaged spool sends after its sender has repeated it.
INSERT INTO approvals (
       event_id, village_code, incarnation, seq, occurred_at, recorded_at, clock, case_id,
       service, actor_role, actor_name, corrects, step, decision, letter_number, note,
       appended_at, late)
SELECT event_id, village_code, incarnation, seq, occurred_at, recorded_at, clock, case_id,
       service, actor_role, actor_name, corrects, step, decision, letter_number, note,
       appended_at, late
  FROM batch_approvals
    ON CONFLICT (event_id) DO NOTHING;
