-- SPDX-License-Identifier: MIT
INSERT INTO laporan (desa, case_id, jenis, keadaan, nik, nama, kejadian, dilaporkan,
                     incarnation, seq)
SELECT DISTINCT ON (village_code, case_id)
       village_code, case_id,
       CASE service WHEN 'surat-keterangan-kelahiran' THEN 'lahir'
                    WHEN 'surat-keterangan-lahir-mati' THEN 'lahir-mati'
                    WHEN 'surat-keterangan-kematian' THEN 'mati'
                    WHEN 'surat-keterangan-kurang-mampu' THEN 'sktm'
                    ELSE 'kis' END,
       action, applicant_nik, applicant_name, occurred_at, recorded_at, incarnation, seq
  FROM batch_requests
 WHERE service IN ('surat-keterangan-kelahiran', 'surat-keterangan-lahir-mati',
                   'surat-keterangan-kematian', 'surat-keterangan-kurang-mampu',
                   'surat-keterangan-beda-identitas-kis')
 ORDER BY village_code, case_id, kafka_offset DESC
    ON CONFLICT (desa, case_id) DO UPDATE
   SET keadaan = excluded.keadaan, nik = coalesce(excluded.nik, laporan.nik),
       nama = coalesce(excluded.nama, laporan.nama),
       incarnation = excluded.incarnation, seq = excluded.seq
 WHERE laporan.incarnation <> excluded.incarnation OR laporan.seq < excluded.seq;
