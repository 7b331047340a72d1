-- SPDX-License-Identifier: MIT
INSERT INTO penyaluran_blt (event_id, desa, nik, nama, periode, jumlah, disalurkan)
SELECT event_id, village_code, payer_nik, payer_name, coalesce(period, to_char(occurred_at, 'YYYY-MM')),
       amount, occurred_at
  FROM batch_payments
 WHERE kind = 'blt-dd' AND action = 'DISBURSED'
    ON CONFLICT (event_id) DO NOTHING;
