-- SPDX-License-Identifier: MIT
INSERT INTO pbb (event_id, desa, objek, tahun, peristiwa, jumlah, mata_uang, cara,
                 wajib_pajak, waktu)
SELECT event_id, village_code, coalesce(reference, case_id),
       coalesce(period, to_char(occurred_at, 'YYYY')), action, amount, currency, method,
       payer_name, occurred_at
  FROM batch_payments
 WHERE kind = 'pbb-p2'
    ON CONFLICT (event_id) DO NOTHING;
