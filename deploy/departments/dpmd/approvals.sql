-- SPDX-License-Identifier: MIT
INSERT INTO keputusan_harian AS k (desa, hari, layanan, tahap, keputusan, jumlah)
SELECT village_code, (occurred_at AT TIME ZONE 'Asia/Jakarta')::date, service, step, decision,
       count(*)
  FROM batch_approvals
 GROUP BY 1, 2, 3, 4, 5
    ON CONFLICT (desa, hari, layanan, tahap, keputusan) DO UPDATE
   SET jumlah = k.jumlah + excluded.jumlah;
