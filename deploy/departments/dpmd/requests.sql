-- SPDX-License-Identifier: MIT
-- Counting is safe: a batch is applied once or not at all.
INSERT INTO layanan_harian AS l (desa, hari, layanan, diajukan, ditarik)
SELECT village_code, (occurred_at AT TIME ZONE 'Asia/Jakarta')::date, service,
       count(*) FILTER (WHERE action = 'SUBMITTED'),
       count(*) FILTER (WHERE action = 'WITHDRAWN')
  FROM batch_requests
 GROUP BY 1, 2, 3
    ON CONFLICT (desa, hari, layanan) DO UPDATE
   SET diajukan = l.diajukan + excluded.diajukan, ditarik = l.ditarik + excluded.ditarik;
