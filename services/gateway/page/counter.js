// SPDX-License-Identifier: MIT
// One request at a time: what is typed is a draft until the gateway has answered.
"use strict";

const $ = (id) => document.getElementById(id);
const fields = ["case_id", "applicant-nik", "applicant-name", "purpose"];
const pointers = {
  "/case_id": "case_id", "/applicant/nik": "applicant-nik", "/applicant/name": "applicant-name", "/attributes/keperluan": "purpose" };
const draftKey = "kentongan-draf";
let key = null; // of the post at hand: a repeat after a broken answer is the same event
let training = false;

const wib = new Intl.DateTimeFormat("id-ID", {
  dateStyle: "medium", timeStyle: "short", timeZone: "Asia/Jakarta" });

function keepDraft() {
  const draft = Object.fromEntries([...fields, "service"].map((id) => [id, $(id).value]));
  try { localStorage.setItem(draftKey, JSON.stringify({ ...draft, key })); } catch { /* no room: no draft */ }
}

function restoreDraft() {
  try {
    const draft = JSON.parse(localStorage.getItem(draftKey) || "{}");
    for (const id of [...fields, "service"]) if (draft[id]) $(id).value = draft[id];
    key = draft.key || null;
  } catch { /* a broken draft is no draft */ }
}

function body() {
  const applicant = {};
  const nik = $("applicant-nik").value.replace(/\s/g, "");
  if (nik) applicant.nik = nik;
  if ($("applicant-name").value.trim()) applicant.name = $("applicant-name").value.trim();
  const purpose = $("purpose").value.trim();
  return {
    case_id: $("case_id").value.trim(), service: $("service").value, action: "SUBMITTED",
    actor: { role: "OPERATOR" }, ...(Object.keys(applicant).length ? { applicant } : {}),
    attributes: purpose ? { keperluan: purpose } : {} };
}

function clearFaults() {
  for (const element of document.querySelectorAll(".fault")) element.textContent = "";
  for (const id of fields) $(id).removeAttribute("aria-invalid");
}

function showFaults(problem) {
  let first = null;
  for (const error of problem.errors || []) {
    const id = pointers[error.pointer];
    const place = $("fault-" + (id || "other"));
    place.textContent = id && $(id).required && !$(id).value.trim() ? "Bagian ini harus diisi." : error.detail_id;
    if (id) { $(id).setAttribute("aria-invalid", "true"); first = first || $(id); }
  }
  if (!first) $("fault-other").textContent = $("fault-other").textContent || problem.detail_id;
  else first.focus();
}

function showReceipt(receipt, caseId) {
  $("number").textContent = (training ? "LATIHAN " : "") + `Nomor ${receipt.village_code}-${receipt.seq}`;
  $("promise").textContent = "Tersimpan di komputer ini. Dikirim ke kabupaten secara otomatis, juga bila jaringan baru kembali nanti.";
  $("receipt-case").textContent = caseId;
  $("receipt-time").textContent = wib.format(new Date(receipt.recorded_at)) + " WIB";
  $("receipt-id").textContent = receipt.event_id;
  $("form").hidden = true;
  $("receipt").hidden = false;
  $("next").focus();
}

async function send(event) {
  event.preventDefault();
  clearFaults();
  $("send").disabled = true;
  key = key || (crypto.randomUUID ? crypto.randomUUID() : String(Date.now()) + Math.random());
  keepDraft();
  try {
    const sent = body();
    const answer = await fetch("/v1/requests", {
      method: "POST", body: JSON.stringify(sent),
      headers: { "Content-Type": "application/json", "Idempotency-Key": key } });
    const said = await answer.json();
    if (answer.ok) { localStorage.removeItem(draftKey); key = null; showReceipt(said, sent.case_id); }
    else { if (answer.status === 422) key = null; showFaults(said); }
  } catch {
    $("fault-other").textContent = "Program di komputer ini tidak menjawab. Tekan Kirim sekali lagi; tidak akan tercatat dua kali.";
  }
  $("send").disabled = false;
  showLink();
}

function startOver() {
  for (const id of fields) $(id).value = "";
  $("receipt").hidden = true;
  $("form").hidden = false;
  $("case_id").focus();
}

let register = null; // lines of data/villages.csv, once they were read

async function readRegister() {
  register = (await (await fetch("/assets/villages.csv")).text()).split(/\r?\n/).map((line) => line.split(","));
}

// As people call the village; one that the register lacks by its code. The code's last group begins with 1 in a kelurahan.
async function placeOf(code) {
  const kind = code.split(".")[3].startsWith("1") ? "Kelurahan" : "Desa";
  if (!register) await readRegister();
  const [, name, , , district] = register.find(([own]) => own === code) || [];
  return name ? `${kind} ${name}, Kecamatan ${district} · ${code}` : `${kind} ${code}`;
}

async function showLink() {
  try {
    const status = await (await fetch("/v1/status")).json();
    training = status.mode === "latihan";
    $("training").hidden = !training;
    document.body.classList.toggle("training", training);
    $("village").textContent = await placeOf(status.village_code);
    const waiting = status.pending.toLocaleString("id-ID");
    $("link").textContent = status.link.state === "blocked"
      ? `Pengiriman ditahan oleh kabupaten; ${waiting} catatan menunggu. Tetap bekerja seperti biasa.`
      : status.pending > 0 && status.link.state !== "up" ? `${waiting} catatan menunggu jaringan. Akan dikirim otomatis.`
      : status.pending > 0 ? `${waiting} catatan sedang dikirim.` : "Semua catatan sudah terkirim.";
    $("reason").textContent = status.link.state === "blocked" ? `Bila menelepon Diskominfo, bacakan: ${status.link.reason}` : "";
  } catch {
    $("link").textContent = "Program di komputer ini tidak menjawab.";
  }
}

$("form").addEventListener("submit", send);
$("form").addEventListener("input", keepDraft);
$("form").addEventListener("keydown", (event) => { // Enter never sends by accident
  if (event.key === "Enter" && event.target.tagName === "INPUT") event.preventDefault();
});
$("applicant-nik").addEventListener("change", () => { // shown back in fours, for reading aloud
  const digits = $("applicant-nik").value.replace(/\s/g, "");
  if (/^\d+$/.test(digits)) $("applicant-nik").value = digits.match(/.{1,4}/g).join(" ");
  keepDraft();
});
$("print").addEventListener("click", () => window.print());
$("next").addEventListener("click", startOver);
restoreDraft();
showLink();
setInterval(showLink, 5000);
