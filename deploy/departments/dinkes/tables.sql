-- SPDX-License-Identifier: MIT
CREATE TABLE IF NOT EXISTS laporan (
    desa        text NOT NULL,
    case_id     text NOT NULL,
    jenis       text NOT NULL CHECK (jenis IN ('lahir', 'lahir-mati', 'mati', 'sktm', 'kis')),
    keadaan     text NOT NULL,
    nik         text,
    nama        text,
    kejadian    timestamptz NOT NULL,
    dilaporkan  timestamptz NOT NULL,
    incarnation uuid NOT NULL,
    seq         bigint NOT NULL,
    PRIMARY KEY (desa, case_id)
);
CREATE INDEX IF NOT EXISTS laporan_jenis ON laporan (jenis, kejadian);
COMMENT ON COLUMN laporan.kejadian IS 'Kapan terjadi; laporan terlambat itu biasa';

CREATE OR REPLACE VIEW rekap_bulanan AS
    SELECT desa, jenis, date_trunc('month', kejadian AT TIME ZONE 'Asia/Jakarta')::date AS bulan,
           count(*) AS jumlah
      FROM laporan WHERE keadaan <> 'WITHDRAWN'
     GROUP BY desa, jenis, bulan;
