-- SPDX-License-Identifier: MIT
CREATE TABLE IF NOT EXISTS permohonan (
    desa          text NOT NULL CHECK (desa ~ '^35\.09\.[0-9]{2}\.[12][0-9]{3}$'),
    nomor_perkara text NOT NULL,
    layanan       text NOT NULL,
    keadaan       text NOT NULL CHECK (keadaan IN ('SUBMITTED', 'AMENDED', 'WITHDRAWN', 'UNKNOWN')),
    nik           text CHECK (nik ~ '^[0-9]{16}$'),
    nama          text,
    jumlah_berkas int NOT NULL CHECK (jumlah_berkas >= 0),
    diajukan      timestamptz NOT NULL,
    incarnation   uuid NOT NULL,
    seq           bigint NOT NULL,
    PRIMARY KEY (desa, nomor_perkara)
);
CREATE INDEX IF NOT EXISTS permohonan_nik ON permohonan (nik);
COMMENT ON TABLE permohonan IS 'Permohonan surat kependudukan, keadaan terakhir tiap perkara';

CREATE TABLE IF NOT EXISTS persetujuan (
    event_id      uuid PRIMARY KEY,
    desa          text NOT NULL,
    nomor_perkara text NOT NULL,
    tahap         text NOT NULL,
    keputusan     text NOT NULL,
    nomor_surat   text,
    waktu         timestamptz NOT NULL
);
CREATE INDEX IF NOT EXISTS persetujuan_perkara ON persetujuan (desa, nomor_perkara);
COMMENT ON TABLE persetujuan IS 'Setiap keputusan atas surat kependudukan';
