-- SPDX-License-Identifier: MIT
-- The last of each case; a later number or another life of the spool overwrites.
INSERT INTO permohonan (desa, nomor_perkara, layanan, keadaan, nik, nama, jumlah_berkas,
                        diajukan, incarnation, seq)
SELECT DISTINCT ON (village_code, case_id)
       village_code, case_id, service, action, applicant_nik, applicant_name,
       jsonb_array_length(documents), occurred_at, incarnation, seq
  FROM batch_requests
 WHERE service IN ('surat-keterangan-kelahiran', 'surat-keterangan-kematian',
                    'surat-keterangan-lahir-mati', 'surat-keterangan-pindah-penduduk',
                    'surat-permohonan-kartu-keluarga', 'surat-keterangan-ktp-dalam-proses',
                    'surat-permohonan-akta-lahir', 'surat-keterangan-nikah')
 ORDER BY village_code, case_id, kafka_offset DESC
    ON CONFLICT (desa, nomor_perkara) DO UPDATE
   SET layanan = excluded.layanan, keadaan = excluded.keadaan,
       nik = coalesce(excluded.nik, permohonan.nik),
       nama = coalesce(excluded.nama, permohonan.nama),
       jumlah_berkas = greatest(excluded.jumlah_berkas, permohonan.jumlah_berkas),
       incarnation = excluded.incarnation, seq = excluded.seq
 WHERE permohonan.incarnation <> excluded.incarnation OR permohonan.seq < excluded.seq;
