-- SPDX-License-Identifier: MIT
-- A row an event. The sink knows an event again that comes under two incarnations.
INSERT INTO approvals (
       event_id, village_code, incarnation, seq, occurred_at, recorded_at, clock, case_id,
       service, actor_role, actor_name, corrects, step, decision, letter_number, note,
       appended_at, late)
SELECT event_id, village_code, incarnation, seq, occurred_at, recorded_at, clock, case_id,
       service, actor_role, actor_name, corrects, step, decision, letter_number, note,
       appended_at, late
  FROM batch_approvals;
