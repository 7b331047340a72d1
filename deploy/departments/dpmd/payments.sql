-- SPDX-License-Identifier: MIT
INSERT INTO keuangan (event_id, desa, jenis, peristiwa, jumlah, mata_uang, cara, periode, waktu)
SELECT event_id, village_code, kind, action, amount, currency, method, period, occurred_at
  FROM batch_payments
    ON CONFLICT (event_id) DO NOTHING;
