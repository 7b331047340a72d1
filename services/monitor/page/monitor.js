// SPDX-License-Identifier: MIT
// The live page: a stream of events and, each second, one picture of everything.
"use strict";

const $ = (id) => document.getElementById(id);
const LINES = 60, STALE_MS = 5000, BUSY_MS = 5 * 60 * 1000, SILENT_SINK_S = 25;
const titles = {
  satu_data: "Satu Data", dispendukcapil: "Dispendukcapil", dinsos: "Dinas Sosial", dinkes: "Dinas Kesehatan",
  bapenda: "Bapenda", dpmd: "DPMD" };
const words = {
  id: {
    flowing: "Semua mengalir.", starting: "Menunggu kabar pertama…", brokerDown: "Kafka tidak menjawab. Desa tetap menerima dan menyimpan; hidupkan kembali Kafka.",
    waiting: (d) => `${d} menunggu basis datanya. Tidak ada yang hilang. Hubungi pengelola ${d}.`,
    halted: (d) => `${d} berhenti: pemetaan atau tabelnya keliru. Jalankan kentongan department check.`,
    silent: (d) => `${d} tanpa kabar: programnya mati. Jalankan kembali sink-nya.`,
    behind: (d, n) => `${d} tertinggal ${n} catatan, sedang mengejar.`,
    dead: (d, n) => `${n} catatan perlu diperbaiki di ${d}. Jalankan kentongan dead-letters list.`,
    running: "berjalan", waitingState: "menunggu basis data", haltedState: "berhenti", unknown: "belum ada kabar", silentState: "tanpa kabar",
    perSecond: "/ detik", total: (n) => `${n} sejak kemarin`, p99: (t) => `99 dari 100 di bawah ${t}`, heard: (a, b) => `${a} dari ${b} desa terdengar`,
    stale: (t) => `Gambar ini dari ${t}. Sambungan terputus; mencoba lagi.`, undecodable: "catatan asing, tidak dapat dibaca",
    filter: "Saring desa, layanan, perkara", chart: (n) => `per menit, satu jam terakhir, paling banyak ${n}`, other: "English", events: "catatan" },
  en: {
    flowing: "Everything flows.", starting: "Waiting for the first word…", brokerDown: "Kafka does not answer. Villages go on accepting; start Kafka again.",
    waiting: (d) => `${d} waits for its database. Nothing is lost. Call ${d}'s administrator.`,
    halted: (d) => `${d} has halted: its mapping or tables are wrong. Run kentongan department check.`,
    silent: (d) => `${d} is silent: its program is not running. Start its sink again.`,
    behind: (d, n) => `${d} is ${n} records behind and catching up.`,
    dead: (d, n) => `${n} records need repair at ${d}. Run kentongan dead-letters list.`,
    running: "running", waitingState: "waits for its database", haltedState: "halted", unknown: "no word yet", silentState: "silent",
    perSecond: "/ second", total: (n) => `${n} since yesterday`, p99: (t) => `99 of 100 below ${t}`, heard: (a, b) => `${a} of ${b} villages heard`,
    stale: (t) => `This picture is from ${t}. The connection broke; trying again.`, undecodable: "a strange record that cannot be read",
    filter: "Filter: village, service, case", chart: (n) => `a minute, the last hour, at most ${n}`, other: "Bahasa Indonesia", events: "events" } };

// What the symbols of the schemas are called on the page; one that is new shows as it is.
const acts = {
  SUBMITTED: "diajukan", AMENDED: "diubah", WITHDRAWN: "ditarik", ACCEPTED: "disetujui", RETURNED: "dikembalikan",
  REJECTED: "ditolak", CANCELLED: "dibatalkan", COLLECTED: "diambil", BILLED: "ditagih", PAID: "dibayar",
  DEPOSITED: "disetor", DISBURSED: "disalurkan", REFUNDED: "dikembalikan", OPERATOR: "operator", SEKDES: "sekdes",
  KADES: "kades", SIGNATURE: "tanda tangan", CAMAT: "camat", DINAS: "dinas" };

let language = "id";
let say = words.id;
let villages = new Map();
let lastNews = 0, stats = null, boardDirty = true;

const locale = () => (language === "id" ? "id-ID" : "en-GB");
const number = (value) => Number(value).toLocaleString(locale());
const clock = (date, seconds = true) => new Date(date).toLocaleTimeString(locale(), {
  hour: "2-digit", minute: "2-digit", ...(seconds ? { second: "2-digit" } : {}), timeZone: "Asia/Jakarta" });
const span = (ms) => (ms < 1000 ? `${number(Math.round(ms))} ms` : `${number((ms / 1000).toFixed(1))} s`);
const title = (department) => titles[department.name] || department.name.replace(/_/g, " ");

function speak(code) {
  language = code;
  say = words[code];
  document.documentElement.lang = code;
  try { localStorage.setItem("kentongan-bahasa", code); } catch { /* not remembered, then */ }
  for (const element of document.querySelectorAll("[data-id]")) element.textContent = element.dataset[code];
  $("filter").placeholder = say.filter;
  $("language").textContent = say.other;
  $("language").lang = code === "id" ? "en" : "id";
  if (stats) showStats(stats);
  for (const line of $("events").children) fillLine(line, line.event);
}

function remembered() {
  try { return words[localStorage.getItem("kentongan-bahasa")] ? localStorage.getItem("kentongan-bahasa") : "id"; } catch { return "id"; }
}

function isSilent(department) {
  return department.reported_at && Date.now() - Date.parse(department.reported_at) > SILENT_SINK_S * 1000;
}

// The worst thing first, in words, with the next step.
function sentence(picture) {
  const behind = [...picture.departments].sort((a, b) => b.lag - a.lag)[0];
  const halted = picture.departments.find((d) => d.state === "halted");
  const waiting = picture.departments.find((d) => d.state === "waiting");
  const silent = picture.departments.find(isSilent);
  const sick = [...picture.departments].sort((a, b) => b.dead - a.dead)[0];
  if (picture.broker !== "up") return ["bad", say.brokerDown];
  if (halted) return ["bad", say.halted(title(halted))];
  if (silent) return ["bad", say.silent(title(silent))];
  if (waiting) return ["warn", say.waiting(title(waiting))];
  if (behind && behind.lag > 1000) return ["warn", say.behind(title(behind), number(behind.lag))];
  if (sick && sick.dead > 0) return ["warn", say.dead(title(sick), number(sick.dead))];
  return ["good", say.flowing];
}

function chart(svg, minutes) {
  const most = Math.max(1, ...minutes), wide = 240, high = 40, step = wide / minutes.length;
  svg.setAttribute("viewBox", `0 0 ${wide} ${high}`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("aria-label", say.chart(number(most)));
  svg.replaceChildren(...minutes.map((count, index) => {
    const bar = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    const tall = count ? Math.max(1, (count / most) * (high - 2)) : 0;
    bar.setAttribute("x", index * step);
    bar.setAttribute("y", high - tall);
    bar.setAttribute("width", step * 0.8);
    bar.setAttribute("height", tall);
    return bar;
  }));
}

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function showDepartments(departments) {
  $("departments").replaceChildren(...departments.map((department) => {
    const row = element("tr");
    const state = isSilent(department) ? "halted" : department.state;
    const word = isSilent(department) ? say.silentState
      : { running: say.running, waiting: say.waitingState, halted: say.haltedState }[state] || say.unknown;
    row.append(element("td", "", title(department)), element("td", `state ${state}`, word),
      element("td", department.lag > 1000 ? "n warn" : "n", department.lag < 0 ? "–" : number(department.lag)),
      element("td", department.dead > 0 ? "n bad" : "n", number(department.dead)));
    return row;
  }));
}

function showStats(picture) {
  stats = picture;
  const [mood, text] = sentence(picture);
  if ($("sentence").textContent !== text) $("sentence").textContent = text;
  $("sentence").className = mood;
  $("clock").textContent = clock(picture.time) + " WIB";
  picture.topics.slice(0, 3).forEach((topic, index) => {
    $(`rate-${index}`).replaceChildren(number(topic.rate < 10 ? topic.rate : Math.round(topic.rate)), " ", element("small", "", say.perSecond));
    $(`total-${index}`).textContent = say.total(number(topic.total));
    chart($(`chart-${index}`), topic.minutes);
  });
  $("latency").textContent = picture.latency ? span(picture.latency.p50_ms) : "–";
  $("latency-99").textContent = picture.latency ? say.p99(span(picture.latency.p99_ms)) : "";
  $("heard").textContent = say.heard(number(picture.villages_seen), number(picture.villages));
  showDepartments(picture.departments);
}

function what(event) {
  if (event.undecodable) return say.undecodable;
  const service = (event.service || "").replace(/^surat-(keterangan-|permohonan-|pengantar-)?/, "").replaceAll("-", " ");
  const name = (symbol) => (language === "id" ? acts[symbol] : symbol.toLowerCase()) || symbol;
  const done = [event.decision || event.action, event.step].filter(Boolean).map(name).join(", ");
  const unit = event.currency === "IDR" || !event.currency ? "Rp" : `${event.currency} `;
  const money = event.amount ? `, ${unit}${number(Math.round(Number(event.amount)))}` : "";
  return `${service} ${done}${money}`;
}

function fillLine(line, event) {
  const village = villages.get(event.village_code);
  const place = village ? `${village.name}, ${village.district}` : event.village_code || "";
  const text = element("span", "what");
  text.append(what(event), element("span", "place", `  ${place} · ${event.case_id || ""}`));
  line.replaceChildren(element("time", "", clock(event.appended_at)), element("span", "mark", line.dataset.mark), text);
  line.dataset.text = line.textContent.toLowerCase();
  line.hidden = !line.dataset.text.includes($("filter").value.toLowerCase());
}

function showEvent(event) {
  const topics = stats ? stats.topics.map((topic) => topic.topic) : [];
  const index = Math.max(0, topics.indexOf(event.topic));
  const line = element("li", `t${index} new`);
  line.event = event;
  line.dataset.mark = ["▸", "◆", "■"][index] || "▸";
  line.title = `${event.topic}/${event.partition} @ ${event.offset}`;
  fillLine(line, event);
  $("events").prepend(line);
  while ($("events").children.length > LINES) $("events").lastChild.remove();
  const village = villages.get(event.village_code);
  if (village) { village.last_heard_at = event.appended_at; boardDirty = true; }
}

function tile(village) {
  const heard = village.last_heard_at ? Date.now() - Date.parse(village.last_heard_at) : null;
  const [kind, mark] = heard === null ? ["unheard", "·"] : heard < BUSY_MS ? ["busy", "●"] : ["quiet", "○"];
  const made = element("span", `tile ${kind}`, mark);
  made.title = `${village.name} ${village.village_code}` + (heard === null ? "" : ` ${clock(village.last_heard_at, false)}`);
  return made;
}

function showBoard() {
  if (!boardDirty) return;
  boardDirty = false;
  const districts = new Map();
  for (const village of villages.values()) districts.set(village.district, [...(districts.get(village.district) || []), village]);
  $("board").replaceChildren(...[...districts].map(([name, own]) => {
    const row = element("div", "district");
    const tiles = element("span", "tiles");
    tiles.append(...own.map(tile));
    row.append(element("b", "", name), tiles);
    return row;
  }));
}

async function loadVillages() {
  try {
    const answer = await (await fetch("/v1/villages")).json();
    villages = new Map(answer.villages.map((village) => [village.village_code, village]));
    boardDirty = true;
    showBoard();
  } catch { setTimeout(loadVillages, 2000); }
}

function fresh() {
  lastNews = Date.now();
  $("stale").hidden = true;
  document.body.classList.remove("stale");
}

// An old picture that looks live is worse than none.
function watchAge() {
  showBoard();
  if (lastNews === 0 || Date.now() - lastNews < STALE_MS) return;
  $("stale").textContent = say.stale(clock(lastNews));
  $("stale").hidden = false;
  document.body.classList.add("stale");
}

function listen() {
  const source = new EventSource("/events");
  source.addEventListener("stats", (message) => { fresh(); showStats(JSON.parse(message.data)); });
  source.addEventListener("event", (message) => { fresh(); showEvent(JSON.parse(message.data)); });
  source.addEventListener("reset", () => { $("events").replaceChildren(); loadVillages(); });
}

$("language").addEventListener("click", () => speak(language === "id" ? "en" : "id"));
$("filter").addEventListener("input", () => {
  for (const line of $("events").children) line.hidden = !line.dataset.text.includes($("filter").value.toLowerCase());
});
speak(remembered());
$("sentence").textContent = say.starting;
loadVillages().then(listen);
setInterval(watchAge, 1000);
setInterval(() => { boardDirty = true; }, 30000);
