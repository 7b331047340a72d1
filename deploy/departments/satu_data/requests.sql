-- SPDX-License-Identifier: MIT
-- A row an event. The sink knows an event again that comes under two incarnations.
INSERT INTO requests (
       event_id, village_code, incarnation, seq, occurred_at, recorded_at, clock, case_id,
       service, actor_role, actor_name, corrects, action, applicant_nik, applicant_name,
       applicant_address, applicant_phone, attributes, documents, appended_at, late)
SELECT event_id, village_code, incarnation, seq, occurred_at, recorded_at, clock, case_id,
       service, actor_role, actor_name, corrects, action, applicant_nik, applicant_name,
       applicant_address, applicant_phone, attributes, documents, appended_at, late
  FROM batch_requests;
