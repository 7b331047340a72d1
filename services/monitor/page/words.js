// SPDX-License-Identifier: MIT
// What the page says, Bahasa Indonesia and English side by side, and which of them it speaks.

// Counts with their words; what is nowhere is left out.
const some = (...parts) => parts.filter(([count]) => count > 0).map(([count, word]) => `${count} ${word}`).join(", ");

const said = {
  // the frame
  regency: ["Kabupaten Jember", "Jember Regency"],
  other: ["English", "Bahasa Indonesia"],
  close: ["Tutup", "Close"],
  asTable: ["Tabel", "Table"],
  none: ["tidak ada", "none"],
  unknownYet: ["belum diketahui", "not known yet"],
  stale: [(t) => `Gambar ini dari ${t}. Sambungan ke pemantau terputus; mencoba lagi.`,
    (t) => `This picture is from ${t}. The connection to the monitor broke; trying again.`],
  asked: [(t) => `Keadaan pada ${t}`, (t) => `As of ${t}`],
  trouble: ["Tidak dapat dibuka", "Cannot be opened"],
  noSuchAddress: ["Alamat ini tidak menunjuk desa atau perkara mana pun. Mungkin terpotong waktu dikirim.", "This address names no village and no case. It may have been cut off on its way."],
  unreachable: ["Pemantau tidak menjawab. Coba lagi.", "The monitor does not answer. Try again."],

  // the sentence
  starting: ["Menunggu kabar pertama…", "Waiting for the first word…"],
  flowing: ["Semua mengalir.", "Everything flows."],
  states: [(n) => `Desa: ${some([n.sending, "mengirim"], [n.quiet, "tenang"], [n.waiting, "menunggu jaringan"], [n.silent, "tanpa kabar"], [n.blocked, "terhalang"], [n.unknown, "belum terdengar"])}.`,
    (n) => `Villages: ${some([n.sending, "sending"], [n.quiet, "quiet"], [n.waiting, "waiting for the link"], [n.silent, "silent"], [n.blocked, "blocked"], [n.unknown, "never heard"])}.`],
  more: [(n) => `${n} hal lain`, (n) => `${n} more`],
  alarms: ["Yang perlu diperhatikan", "What needs attention"],
  openVillage: ["Buka desanya", "Open the village"],
  openDepartment: ["Buka dinasnya", "Open the department"],
  since: [(t) => `sejak ${t}`, (t) => `since ${t}`],

  // numbers
  rate: ["Catatan per detik", "Events a second"],
  perSecond: ["/ detik", "/ second"],
  perMinute: ["per menit", "a minute"],
  delay: ["Dari diterima sampai dinas", "From acceptance to departments"],
  almostAll: ["99 dari 100 di bawah", "99 of 100 below"],
  delays: [(half, most) => `separuh di bawah ${half}, 99 dari 100 di bawah ${most}`, (half, most) => `half below ${half}, 99 of 100 below ${most}`],
  lines: ["─ separuh  ┄ 99 dari 100", "─ half  ┄ 99 of 100"],
  toBroker: ["ke hub", "to the hub"],
  toDepartments: ["ke dinas", "to departments"],
  inVillages: ["Menunggu jaringan di desa", "Waiting for the link in villages"],
  oldestFor: [(span) => `tertua ${span}`, (span) => `the oldest for ${span}`],
  oldest: [(t) => `yang tertua dari ${t}`, (t) => `the oldest from ${t}`],
  nothingWaits: ["tidak ada yang menunggu", "nothing waits"],
  waitingEvents: ["catatan menunggu", "events waiting"],
  minute: ["Menit", "Minute"],
  lastHour: [(name, most) => `${name}: satu jam terakhir, paling banyak ${most}`, (name, most) => `${name}: the last hour, at most ${most}`],

  // departments
  departments: ["Dinas", "Departments"],
  department: ["Dinas", "Department"],
  state: ["Keadaan", "State"],
  behind: ["Tertinggal", "Behind"],
  dead: ["Perlu diperbaiki", "Need repair"],
  parked: ["Menunggu perbaikan", "Wait behind"],
  lastRow: ["Baris terakhir", "Last row"],
  lastWord: ["Kabar terakhir", "Last word"],
  applied: ["Tercatat di dinas", "Applied"],
  records: ["catatan", "records"],
  events: ["catatan", "events"],
  running: ["berjalan", "running"],
  waitingState: ["menunggu", "waiting"],
  halted: ["berhenti", "halted"],
  silentState: ["tanpa kabar", "silent"],
  unknown: ["belum ada kabar", "no word yet"],
  reason: ["Sebab", "Reason"],
  toRepair: ["Untuk memperbaiki", "To repair"],
  toLook: ["Untuk memeriksa", "To check"],
  placeholder: ["Ganti CONNINFO dengan sambungan ke basis data dinas itu.", "Put the connection to the department's database in the place of CONNINFO."],
  placeholders: ["Ganti CONNINFO dengan sambungan ke basis data dinas itu dan HOST:PORT dengan alamat Kafka. Tanpa --preview, dengan --reason, catatannya benar-benar dicoba lagi.",
    "Put the connection to the department's database in the place of CONNINFO, Kafka's address in that of HOST:PORT. Without --preview, and with --reason, it is tried in earnest."],
  lettersOf: ["Yang perlu diperbaiki, terbaru dahulu", "What needs repair, newest first"],
  moreLetters: [(n) => `${n} lagi; perintah list menampilkan semuanya.`, (n) => `${n} more; the command list shows them all.`],
  itsEvent: ["Lihat catatannya (data pribadi disamarkan)", "See its event (personal data are masked)"],
  noVillage: ["desa tidak diketahui", "of no known village"],
  letterClasses: [{
    framing: "Bukan catatan Kentongan: ada program lain yang menulis ke topik itu.",
    "unknown-schema": "Jenis catatan ini lebih baru daripada yang dikenal hub.",
    decode: "Isinya rusak dan tidak dapat dibaca.",
    origin: "Kunci, partisi dan desanya tidak cocok: ditulis atas nama desa lain.",
    sequence: "Nomornya melompat jauh dari nomor terakhir desa itu.",
    data: "Tabel dinas menolak isinya." }, {
    framing: "No record of Kentongan: another program writes to that topic.",
    "unknown-schema": "This kind of record is newer than what the hub knows.",
    decode: "What it holds is broken and cannot be read.",
    origin: "Key, partition and village do not agree: written in another village's name.",
    sequence: "Its number lies far beyond the last one of that village.",
    data: "The department's table refuses what it holds." }],
  sqlClasses: [{
    22: "Bentuk isinya tidak cocok dengan tabel dinas.", 23502: "Isian yang diwajibkan dinas kosong.", 23503: "Yang dirujuknya belum ada di dinas.",
    23505: "Dinas sudah punya baris dengan kunci yang sama.", 23514: "Melanggar batas yang ditetapkan dinas.", P0001: "Aturan dinas menolaknya." }, {
    22: "Its form does not fit the department's table.", 23502: "What the department requires is empty.", 23503: "What it refers to is not at the department yet.",
    23505: "The department has a row with the same key already.", 23514: "It is beyond a bound that the department set.", P0001: "A rule of the department refuses it." }],

  // villages
  villages: ["Desa", "Villages"],
  board: ["Papan", "Board"],
  map: ["Peta", "Map"],
  sending: ["mengirim", "sending"],
  quiet: ["tenang", "quiet"],
  waiting: ["menunggu jaringan", "waiting for the link"],
  silent: ["tanpa kabar", "silent"],
  blocked: ["terhalang", "blocked"],
  never: ["belum terdengar", "never heard"],
  meaning: [{
    sending: "Catatannya tiba dalam lima menit terakhir.",
    quiet: "Komputernya memberi kabar, tidak ada yang menunggu.",
    waiting: "Ada catatan yang menunggu jaringan. Akan terkirim sendiri.",
    silent: "Tidak ada kabar lebih dari tiga menit. Periksa listrik, jaringan dan komputernya.",
    blocked: "Hub menjawab tetapi menolak. Ini urusan pengelola Kafka, bukan desa.",
    unknown: "Belum pernah memberi kabar." }, {
    sending: "An event of it came in the last five minutes.",
    quiet: "Its computer gives word, nothing waits.",
    waiting: "Events wait for the link. They leave by themselves.",
    silent: "No word for more than three minutes. Look at power, link and computer.",
    blocked: "The hub answers and refuses. A matter for who runs Kafka, not for the village.",
    unknown: "It has never given word." }],
  letters: [{ sending: "K", quiet: "T", waiting: "M", silent: "X", blocked: "H", unknown: "·" },
    { sending: "S", quiet: "Q", waiting: "W", silent: "X", blocked: "B", unknown: "·" }],
  numbers: ["Nomor catatan", "Numbers of events"],
  numbersOf: [(time) => `Diterima dan terkirim menurut kabar desa pukul ${time}; tercatat menurut dinas, sekarang.`,
    (time) => `Accepted and delivered as the village said at ${time}; applied as the department has it, now.`],
  topic: ["Jenis", "Kind"],
  accepted: ["Diterima", "Accepted"],
  delivered: ["Terkirim", "Delivered"],
  missing: ["Belum sampai", "Missing"],
  noNumbers: ["Nomornya belum diketahui: desa ini belum memberi kabar.", "Its numbers are not known yet: this village has not given word."],
  computer: ["Komputer desa", "The village's computer"],
  clock: ["Jam", "Clock"],
  clockStates: [{ SYNCED: "tepat", HOLDOVER: "tidak disetel sejak lama", UNSYNCED: "tidak dapat dipercaya", UNKNOWN: "belum diketahui" },
    { SYNCED: "right", HOLDOVER: "not set for long", UNSYNCED: "not to be believed", UNKNOWN: "not known" }],
  disk: ["Cakram", "Disk"],
  diskStates: [{ ok: "cukup", low: "mulai sempit", scarce: "sempit", full: "penuh", UNKNOWN: "belum diketahui" },
    { ok: "enough", low: "getting low", scarce: "scarce", full: "full", UNKNOWN: "not known" }],
  free: [(n) => `${n} kosong`, (n) => `${n} free`],
  link: ["Jaringan", "Link"],
  linkStates: [{ up: "tersambung", down: "terputus", blocked: "terhalang", UNKNOWN: "belum diketahui" },
    { up: "up", down: "down", blocked: "blocked", UNKNOWN: "not known" }],
  pending: ["Menunggu jaringan", "Waiting for the link"],
  heard: ["Catatan terakhir", "Last event"],
  version: ["Versi program", "Version"],
  eventsToday: ["Catatan sejak kemarin", "Events since yesterday"],
  itsEvents: ["Tampilkan catatannya", "Show its events"],
  setAside: ["Penyimpanan rusak", "Damaged spool"],
  lost: [(n) => `${n} catatan hilang`, (n) => `${n} events lost`],
  kinds: [{ desa: "Desa", kelurahan: "Kelurahan" }, { desa: "Village", kelurahan: "Town village" }],
  district: [(name) => `Kecamatan ${name}`, (name) => `${name} district`],

  // events
  justNow: ["Baru saja", "Just now"],
  filter: ["Saring desa, kecamatan, jenis, layanan, perkara", "Filter: village, district, kind, service, case"],
  happenedThen: ["Terjadi saat itu", "What happened then"],
  held: [(n) => `${n} baru`, (n) => `${n} new`],
  noneFits: [(n) => `Tidak ada yang cocok di antara ${n} catatan terbaru.`, (n) => `Nothing fits among the ${n} newest events.`],
  lookFurther: ["Cari juga di satu jam terakhir", "Look through the last hour, too"],
  missed: [(n) => `${n} catatan lewat terlalu cepat untuk ditampilkan.`, (n) => `${n} events passed too fast to be shown.`],
  noEvents: ["Belum ada catatan.", "No events yet."],
  noneThen: ["Tidak ada catatan.", "No events."],
  takenBack: ["catatan yang ditarik kembali oleh desa", "a record that its village took back"],
  undecodable: ["catatan asing, tidak dapat dibaca", "a strange record that cannot be read"],
  topics: [{ requests: "permohonan", approvals: "persetujuan", payments: "pembayaran" }, {}],
  acts: [{
    SUBMITTED: "diajukan", AMENDED: "diubah", WITHDRAWN: "ditarik", ACCEPTED: "disetujui", RETURNED: "dikembalikan",
    REJECTED: "ditolak", CANCELLED: "dibatalkan", COLLECTED: "diambil", BILLED: "ditagih", PAID: "dibayar",
    DEPOSITED: "disetor", DISBURSED: "disalurkan", REFUNDED: "uang dikembalikan", OPERATOR: "operator", SEKDES: "sekdes",
    KADES: "kades", LURAH: "lurah", SIGNATURE: "tanda tangan", CAMAT: "camat", DINAS: "dinas", CITIZEN: "warga",
    TREASURER: "bendahara", SYSTEM: "sistem", UNKNOWN: "tidak disebut" }, {}],

  // a case
  caseOf: [(id) => `Perkara ${id}`, (id) => `Case ${id}`],
  caseEvents: [(n) => `${n} catatan dalam urutan perkara; data pribadi disamarkan.`, (n) => `${n} events in the order of the case; personal data are masked.`],
  caseEventsOpen: [(n) => `${n} catatan dalam urutan perkara.`, (n) => `${n} events in the order of the case.`],
  onlyThisEvent: ["Hanya catatan ini yang dapat ditampilkan, langsung dari Kafka; data pribadi disamarkan.", "Only this event can be shown, straight from Kafka; personal data are masked."],
  notInArchive: ["belum ada di arsip satu_data", "not in the archive satu_data yet"],
  strangeRecord: ["Bukan catatan yang dikenal: isinya tidak dapat dibaca dan tidak ditampilkan. Cari siapa yang menulis ke topik ini, atau bawa skema terbaru ke hub.",
    "No record that is known here: what it holds cannot be read and is not shown. Find who writes to this topic, or bring the newest schemas to the hub."],
  topicName: ["Topik", "Topic"],
  partition: ["Partisi", "Partition"],
  offset: ["Offset", "Offset"],
  cameAt: ["Tiba", "Came"],
  by: [(who) => `oleh ${who}`, (who) => `by ${who}`],
  reportedLater: [(t) => `dicatat ${t}`, (t) => `recorded ${t}`],
  everything: ["Semua isian", "All fields"],

  // personal data, for auditors
  openPersonal: ["Buka data pribadi", "Open personal data"],
  personalOpen: ["DATA PRIBADI TERBUKA.", "PERSONAL DATA OPEN."],
  becauseOf: [(why) => `Alasan: ${why}`, (why) => `Reason: ${why}`],
  reasonKept: [(who) => `Nama (${who}), alasan, waktu dan yang dibuka dicatat di satu_data sebelum apa pun ditampilkan.`,
    (who) => `Name (${who}), reason, time and what was opened are kept in satu_data before anything is shown.`],
  whyThisCase: ["Untuk apa data pribadi perkara ini dibuka?", "What are this case's personal data opened for?"],
  whyThisReplay: [(a, b) => `Untuk apa data pribadi ${a}–${b} dibuka?`, (a, b) => `What are the personal data of ${a}–${b} opened for?`],
  replayOpenly: ["Putar dengan data pribadi…", "Replay with personal data…"],

  // replay
  replay: ["Putar ulang", "Replay"],
  dayBar: ["Catatan per menit sejak kemarin; tarik untuk memilih jam", "Events a minute since yesterday; drag to choose an hour"],
  from: ["Dari", "From"],
  to: ["Sampai", "To"],
  speed: ["Kecepatan", "Speed"],
  fastest: ["secepatnya", "at once"],
  play: ["Putar", "Play"],
  pause: ["Jeda", "Pause"],
  step: ["Langkah", "Step"],
  backToNow: ["Kembali ke sekarang", "Back to now"],
  position: ["Saat yang diputar", "Moment shown"],
  replaying: [(a, b, s) => `PUTAR ULANG ${a}–${b}, ${s}`, (a, b, s) => `REPLAY ${a}–${b}, ${s}`],
  replayed: [(n) => `${n} catatan`, (n) => `${n} events`],
  replayCut: ["awalnya sudah dihapus dari Kafka", "its beginning is gone from Kafka"],
  replayEnd: ["selesai", "ended"],
  replayBroke: ["Terputus. Tekan Putar untuk melanjutkan.", "It broke off. Press Play to go on."],
  noTime: [(example) => `Waktu tidak dikenal. Ketik seperti ${example}, atau jamnya saja untuk hari ini.`, (example) => `This is no time. Type it as ${example}, or the hour alone for today.`],
  chooseTimes: ["Pilih waktu mulai yang lebih awal dari waktu selesai.", "Choose a beginning before the end."],
  now: ["SEKARANG", "NOW"],

  // access
  enter: ["Masuk", "Come in"],
  whoMayEnter: ["Halaman ini menampilkan apa yang lewat di hub, dan hanya untuk tim pemantau. Masukkan token yang Anda terima dari pengelola Kentongan di Diskominfo. Belum punya? Mintalah kepadanya; katakan nama dan tugas Anda.",
    "This page shows what passes through the hub, to the monitoring team only. Type the token that you were given by who runs Kentongan at Diskominfo. If you have none, ask there; say your name and your duty."],
  token: ["Token", "Token"],
  kept: ["Token disimpan di tab ini saja dan hilang bila tab ditutup.", "The token is kept in this tab only and is gone when the tab is closed."],
  wrongToken: ["Token ini tidak dikenal. Periksa lalu coba lagi.", "This token is not known. Look again and try once more."],
  leave: ["Keluar", "Leave"],
};

const STORE = "kentongan-bahasa";
const LANGUAGES = ["id", "en"];
let spoken = 0;

export const language = () => LANGUAGES[spoken];
export const locale = () => (spoken === 0 ? "id-ID" : "en-GB");

// The text of a key, its numbers and names put in; tables of words as they are.
export function say(key, ...given) {
  const found = said[key][spoken];
  return typeof found === "function" ? found(...given) : found;
}

// A symbol of the schemas in words; one that is new shows as it is.
export const symbol = (name) => say("acts")[name] || name.toLowerCase();

// Elements with data-say hold that text; data-label and data-hint the label and the placeholder of controls.
export function sayAll(root = document) {
  for (const node of root.querySelectorAll("[data-say]")) node.textContent = say(node.dataset.say);
  for (const node of root.querySelectorAll("[data-label]")) node.setAttribute("aria-label", say(node.dataset.label));
  for (const node of root.querySelectorAll("[data-hint]")) node.placeholder = say(node.dataset.hint);
}

export function speak(code) {
  spoken = Math.max(0, LANGUAGES.indexOf(code));
  document.documentElement.lang = language();
  try { localStorage.setItem(STORE, language()); } catch { /* not remembered, then */ }
  sayAll();
}

export function remembered() {
  try { return localStorage.getItem(STORE); } catch { return null; }
}
