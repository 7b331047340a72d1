-- SPDX-License-Identifier: MIT
INSERT INTO permohonan_sktm (desa, case_id, nik, nama, alamat, keperluan, keadaan, diajukan,
                             incarnation, seq)
SELECT DISTINCT ON (village_code, case_id)
       village_code, case_id, applicant_nik, applicant_name, applicant_address,
       attributes ->> 'keperluan', action, occurred_at, incarnation, seq
  FROM batch_requests
 WHERE service = 'surat-keterangan-kurang-mampu'
 ORDER BY village_code, case_id, kafka_offset DESC
    ON CONFLICT (desa, case_id) DO UPDATE
   SET nik = coalesce(excluded.nik, permohonan_sktm.nik),
       nama = coalesce(excluded.nama, permohonan_sktm.nama),
       alamat = coalesce(excluded.alamat, permohonan_sktm.alamat),
       keperluan = coalesce(excluded.keperluan, permohonan_sktm.keperluan),
       keadaan = excluded.keadaan, incarnation = excluded.incarnation, seq = excluded.seq
 WHERE permohonan_sktm.incarnation <> excluded.incarnation
    OR permohonan_sktm.seq < excluded.seq;
