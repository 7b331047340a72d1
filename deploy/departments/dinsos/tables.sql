-- SPDX-License-Identifier: MIT
CREATE TABLE IF NOT EXISTS permohonan_sktm (
    desa        text NOT NULL CHECK (desa ~ '^35\.09\.[0-9]{2}\.[12][0-9]{3}$'),
    case_id     text NOT NULL,
    nik         text CHECK (nik ~ '^[0-9]{16}$'),
    nama        text,
    alamat      text,
    keperluan   text,
    keadaan     text NOT NULL,
    diajukan    timestamptz NOT NULL,
    incarnation uuid NOT NULL,
    seq         bigint NOT NULL,
    PRIMARY KEY (desa, case_id)
);
CREATE INDEX IF NOT EXISTS permohonan_sktm_nik ON permohonan_sktm (nik);
COMMENT ON TABLE permohonan_sktm IS 'Permohonan surat keterangan kurang mampu';

CREATE TABLE IF NOT EXISTS penyaluran_blt (
    event_id   uuid PRIMARY KEY,
    desa       text NOT NULL,
    nik        text NOT NULL CHECK (nik ~ '^[0-9]{16}$'),
    nama       text,
    periode    text NOT NULL,
    jumlah     numeric(18,2) NOT NULL CHECK (jumlah > 0 AND jumlah <= 3600000),
    disalurkan timestamptz NOT NULL
);
CREATE INDEX IF NOT EXISTS penyaluran_blt_nik ON penyaluran_blt (nik, periode);
COMMENT ON TABLE penyaluran_blt IS 'Penyaluran BLT Dana Desa; paling banyak Rp3.600.000 sekali salur';
