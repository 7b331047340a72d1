-- SPDX-License-Identifier: MIT
-- A row an event. An event that came under two incarnations is still one event.
INSERT INTO approvals (
       event_id, village_code, incarnation, seq, occurred_at, recorded_at, clock, case_id,
       service, actor_role, actor_name, corrects, step, decision, letter_number, note,
       appended_at, late)
SELECT event_id, village_code, incarnation, seq, occurred_at, recorded_at, clock, case_id,
       service, actor_role, actor_name, corrects, step, decision, letter_number, note,
       appended_at, late
  FROM batch_approvals
    ON CONFLICT (event_id) DO NOTHING;
