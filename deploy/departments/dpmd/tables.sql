-- SPDX-License-Identifier: MIT
CREATE TABLE IF NOT EXISTS keuangan (
    event_id  uuid PRIMARY KEY,
    desa      text NOT NULL,
    jenis     text NOT NULL,
    peristiwa text NOT NULL,
    jumlah    numeric(18,2) NOT NULL CHECK (jumlah >= 0),
    mata_uang text NOT NULL,
    cara      text NOT NULL,
    periode   text,
    waktu     timestamptz NOT NULL
);
CREATE INDEX IF NOT EXISTS keuangan_desa ON keuangan (desa, jenis, waktu);

CREATE TABLE IF NOT EXISTS layanan_harian (
    desa      text NOT NULL,
    hari      date NOT NULL,
    layanan   text NOT NULL,
    diajukan  int NOT NULL DEFAULT 0,
    ditarik   int NOT NULL DEFAULT 0,
    PRIMARY KEY (desa, hari, layanan)
);
COMMENT ON TABLE layanan_harian IS 'Jumlah permohonan tiap hari (WIB), tanpa data perorangan';

CREATE TABLE IF NOT EXISTS keputusan_harian (
    desa      text NOT NULL,
    hari      date NOT NULL,
    layanan   text NOT NULL,
    tahap     text NOT NULL,
    keputusan text NOT NULL,
    jumlah    int NOT NULL CHECK (jumlah > 0),
    PRIMARY KEY (desa, hari, layanan, tahap, keputusan)
);
