-- SPDX-License-Identifier: MIT
INSERT INTO persetujuan (event_id, desa, nomor_perkara, tahap, keputusan, nomor_surat, waktu)
SELECT event_id, village_code, case_id, step, decision, letter_number, occurred_at
  FROM batch_approvals
 WHERE service IN ('surat-keterangan-kelahiran', 'surat-keterangan-kematian',
                    'surat-keterangan-lahir-mati', 'surat-keterangan-pindah-penduduk',
                    'surat-permohonan-kartu-keluarga', 'surat-keterangan-ktp-dalam-proses',
                    'surat-permohonan-akta-lahir', 'surat-keterangan-nikah')
    ON CONFLICT (event_id) DO NOTHING;
