-- SPDX-License-Identifier: MIT
CREATE TABLE IF NOT EXISTS pbb (
    event_id uuid PRIMARY KEY,
    desa     text NOT NULL,
    objek    text NOT NULL,
    tahun    text NOT NULL CHECK (tahun ~ '^[0-9]{4}(-[0-9]{2})?$'),
    peristiwa text NOT NULL CHECK (peristiwa IN ('BILLED', 'PAID', 'DEPOSITED', 'REFUNDED')),
    jumlah   numeric(18,2) NOT NULL CHECK (jumlah > 0),
    mata_uang text NOT NULL CHECK (mata_uang = 'IDR'),
    cara     text NOT NULL,
    wajib_pajak text,
    waktu    timestamptz NOT NULL
);
CREATE INDEX IF NOT EXISTS pbb_objek ON pbb (desa, objek, tahun);
COMMENT ON TABLE pbb IS 'PBB-P2: ditagih, dibayar, disetor, dikembalikan';

-- Who has not paid, and what was paid but has not reached the treasury: Bapenda's
-- question of 2023, which nobody could answer.
CREATE OR REPLACE VIEW rekonsiliasi AS
    SELECT desa, left(tahun, 4) AS tahun,
           coalesce(sum(jumlah) FILTER (WHERE peristiwa = 'BILLED'), 0) AS ditagih,
           coalesce(sum(jumlah) FILTER (WHERE peristiwa = 'PAID'), 0)
               - coalesce(sum(jumlah) FILTER (WHERE peristiwa = 'REFUNDED'), 0) AS dibayar,
           coalesce(sum(jumlah) FILTER (WHERE peristiwa = 'DEPOSITED'), 0) AS disetor,
           count(DISTINCT objek) FILTER (WHERE peristiwa = 'BILLED')
               - count(DISTINCT objek) FILTER (WHERE peristiwa = 'PAID') AS objek_belum_bayar,
           coalesce(sum(jumlah) FILTER (WHERE peristiwa = 'PAID'), 0)
               - coalesce(sum(jumlah) FILTER (WHERE peristiwa = 'REFUNDED'), 0)
               - coalesce(sum(jumlah) FILTER (WHERE peristiwa = 'DEPOSITED'), 0) AS belum_disetor
      FROM pbb
     GROUP BY desa, left(tahun, 4);
