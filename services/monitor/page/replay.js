// SPDX-License-Identifier: MIT
// Any hour again: choose it on the bar of the day or type its times, then play, pause, step, drag.
// The server keeps nothing between two requests: each goes on behind the cursor of the last event.
import { ask } from "./access.js";
import { because, forAuditors, reasonForm } from "./audit.js";
import { lendStates } from "./board.js";
import { colour, font, plot, rem } from "./charts.js";
import { $, element, put } from "./dom.js";
import { clock, day, exact, number, typed, untyped } from "./format.js";
import { openPanel } from "./panel.js";
import { read } from "./stream.js";
import { language, say } from "./words.js";

const DAY_MS = 86400000, HOUR_MS = 3600000, MINUTE_MS = 60000, BUSY_MS = 5 * MINUTE_MS;
const FILTERS = ["topic", "village", "district", "case", "service"];

let list = null; // where the replayed events are shown
let bar = null; // the day's chart
let run = null; // the replay that is open: {from, to, filters, reason, at, cursor, events, playing, heard}

const chosen = (id) => untyped($(id).value);
const choose = (id, ms) => { $(id).value = typed(ms); };
const stamp = (ms) => new Date(ms).toISOString();
const when = (ms, beside) => (day(ms) === day(beside) ? "" : `${day(ms)} `) + clock(ms, false);
const speed = () => $("replay-speed").value;
const speedWord = () => (speed() === "max" ? say("fastest") : `${Number(speed()).toLocaleString(language(), { maximumFractionDigits: 3 })}×`);

// The bar of the day

const endOfDay = () => Math.ceil(Date.now() / MINUTE_MS) * MINUTE_MS;
const emptyDay = () => [[(endOfDay() - DAY_MS) / 1000, endOfDay() / 1000], [null, null]];

async function showDay() {
  const to = endOfDay();
  const query = new URLSearchParams({ from: stamp(to - DAY_MS), to: stamp(to) });
  let day;
  try { day = await ask(`/v1/minutes?${query}`); } catch { return bar.setData(emptyDay()); } // the times can be typed
  const columns = Object.values(day.counts);
  const counts = (columns[0] || []).map((_, at) => columns.reduce((sum, one) => sum + one[at], 0));
  if (counts.length) bar.setData([counts.map((_, at) => Date.parse(day.from) / 1000 + at * day.step_s), counts]);
}

function drawChosen(chart) {
  const { ctx, bbox } = chart;
  const from = chart.valToPos(chosen("replay-from") / 1000, "x", true), to = chart.valToPos(chosen("replay-to") / 1000, "x", true);
  if (!(to > from)) return;
  ctx.save();
  ctx.globalAlpha = 0.25;
  ctx.fillStyle = colour("replay");
  ctx.fillRect(Math.max(from, bbox.left), bbox.top, Math.min(to, bbox.left + bbox.width) - Math.max(from, bbox.left), bbox.height);
  ctx.restore();
}

function chooseOnBar(chart) {
  if (chart.select.width < 2) return;
  const at = (left) => Math.round(chart.posToVal(left, "x") * 1000 / MINUTE_MS) * MINUTE_MS;
  choose("replay-from", at(chart.select.left));
  choose("replay-to", at(chart.select.left + chart.select.width));
  chart.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
  chart.redraw();
}

// A finger drags as a mouse does, which is all that uPlot listens to.
function dragByFinger(over) {
  const names = { pointerdown: "mousedown", pointermove: "mousemove", pointerup: "mouseup", pointercancel: "mouseup" };
  for (const [name, mouse] of Object.entries(names)) {
    over.addEventListener(name, ({ pointerType, clientX, clientY }) => {
      if (pointerType !== "mouse") over.dispatchEvent(new MouseEvent(mouse, { clientX, clientY, movementX: 1, bubbles: true }));
    });
  }
}

function makeBar() {
  const { uPlot } = window;
  bar = plot($("day-chart"), {
    padding: [0, rem(), 0, rem()],
    series: [{}, { paths: uPlot.paths.bars({ size: [0.8], align: 1 }), fill: () => colour("soft"), stroke: () => colour("soft"), width: 0, points: { show: false } }],
    scales: { y: { range: (u, low, high) => [0, high || 1] } },
    axes: [{ stroke: () => colour("soft"), font: font(), size: rem() * 1.125, gap: 2, ticks: { show: false }, grid: { show: false },
      values: (u, splits) => splits.map((at) => clock(at * 1000, false)) }, { show: false }],
    cursor: { show: true, points: { show: false }, y: false, drag: { x: true, y: false, setScale: false } },
    hooks: { setSelect: [chooseOnBar], draw: [drawChosen] },
  }, emptyDay());
  dragByFinger(bar.over);
}

// The replay itself

// As the language of the page writes them.
function writeTimes() {
  for (const id of ["replay-from", "replay-to"]) if (chosen(id)) choose(id, chosen(id));
}

// What is wrong with the span that was chosen; "" when nothing is.
function faultOf(from, to) {
  if (isNaN(from) || isNaN(to)) return say("noTime", typed(Date.now() - HOUR_MS));
  return from < to ? "" : say("chooseTimes");
}

export function showReplay() {
  const open = run !== null;
  document.body.classList.toggle("replaying", open);
  document.body.classList.toggle("personal", open && run.reason !== "");
  for (const id of ["replay-choose", "events"]) $(id).hidden = open;
  for (const id of ["replay-run", "replayed", "replaying"]) $(id).hidden = !open;
  put($("events-title"), say(open ? "happenedThen" : "justNow"));
  if (!open) return writeTimes();
  put($("replaying"), [say("replaying", when(run.from, Date.now()), when(run.to, run.from), speedWord()), ...Object.values(run.filters),
    run.reason && say("personalOpen")].filter(Boolean).join(" · "));
  put($("replay-toggle"), say(run.playing ? "pause" : "play"));
  $("replay-at").max = Math.round((run.to - run.from) / 1000);
  if (!run.dragging) $("replay-at").value = Math.round((run.at - run.from) / 1000);
  $("replay-at").setAttribute("aria-valuetext", exact(run.at));
  put($("replay-clock"), exact(run.at));
  put($("replay-count"), [say("replayed", number(run.events)), run.isCut && say("replayCut"), run.word && run.word()].filter(Boolean).join(", "));
}

// A village that sent within five minutes of the replay's clock is shown as sending.
function stateThen(village) {
  const heard = run && run.heard.get(village.village_code);
  return heard === undefined || heard === null ? "unknown" : run.at - heard < BUSY_MS ? "sending" : "quiet";
}

function take(mine, event, data, id) {
  if (run !== mine) return;
  if (event === "event") {
    const at = Date.parse(data.appended_at);
    mine.cursor = id;
    mine.events++;
    mine.at = Math.max(mine.at, at);
    if (data.village_code) mine.heard.set(data.village_code, at);
    list.add(data);
  } else if (event === "position") mine.at = Date.parse(data.at);
  else if (event === "cut") mine.isCut = true;
  else if (event === "refused") mine.word = () => data[language() === "id" ? "detail_id" : "detail"];
  else if (event === "end" && data.reason !== "limit") {
    mine.at = mine.to;
    mine.word = () => say("replayEnd");
  }
}

const queryOf = (more) => new URLSearchParams({ from: stamp(run.start), to: stamp(run.to), ...run.filters, ...(run.cursor ? { after: run.cursor } : {}), ...more });

async function follow(more) {
  const mine = run;
  const own = new AbortController();
  let ended = false;
  const hear = (event, ...rest) => {
    ended = ended || event === "end" || event === "refused";
    take(mine, event, ...rest);
  };
  mine.stream?.abort();
  mine.stream = own;
  mine.word = null;
  showReplay();
  try {
    await read(`/replay?${queryOf(more)}`, hear, { headers: because(mine.reason), signal: own.signal });
    if (!ended) mine.word = () => say("replayBroke");
  } catch (fault) {
    if (!own.signal.aborted) mine.word = () => fault.message || say("replayBroke");
  }
  if (mine.stream === own) mine.playing = false;
  if (run === mine) { showReplay(); lendStates(stateThen); }
}

function play() {
  run.playing = true;
  follow({ speed: speed() });
}

function pause() {
  run.stream?.abort();
  run.playing = false;
  showReplay();
}

function toggle() {
  if (run.playing) pause();
  else {
    if (run.at >= run.to) seek(run.from);
    play();
  }
}

function step() {
  run.playing = false;
  follow({ speed: "max", limit: 1 });
}

// What stands before the new moment is not shown again; the events begin anew there.
function seek(ms) {
  const { playing } = run;
  run.stream?.abort();
  Object.assign(run, { start: ms, at: ms, cursor: null, events: 0, heard: new Map(), word: null });
  list.clear();
  showReplay();
  if (playing) play();
}

// With a reason personal data are shown, to who may: docs/decisions/0065.
export function begin(from, to, filters = {}, reason = "") {
  put($("replay-fault"), faultOf(from, to));
  if (faultOf(from, to)) return;
  run?.stream?.abort();
  run = { from, to, start: from, filters, reason, at: from, cursor: null, events: 0, heard: new Map(), playing: false };
  list.clear();
  lendStates(stateThen);
  play();
  $("replay-toggle").focus();
}

export function leave() {
  run?.stream?.abort();
  run = null;
  list.clear(); // what was open goes with it
  lendStates(null);
  showReplay();
  $("replay-start").focus();
}

// An auditor's way: the span that is chosen, or the replay that runs, with what is personal in it.
function askReason() {
  const { from, to, filters } = run || { from: chosen("replay-from"), to: chosen("replay-to"), filters: {} };
  put($("replay-fault"), faultOf(from, to));
  if (faultOf(from, to)) return;
  openPanel(() => [say("replayOpenly"),
    reasonForm(say("whyThisReplay", when(from, Date.now()), when(to, from)), (reason) => { $("panel").close(); begin(from, to, filters, reason); })]);
}

function makeAuditorsButton() {
  $("replay-start").after(element("button", { id: "replay-open", type: "button", "data-say": "replayOpenly", onclick: askReason }, say("replayOpenly")));
}

// A speed that is not in the list joins it.
function chooseSpeed(wanted) {
  const list = $("replay-speed");
  if (wanted !== "max" && !(Number(wanted) >= 0.01 && Number(wanted) <= 1e6)) return;
  if (![...list.options].some((option) => option.value === wanted)) list.add(new Option(`${number(wanted)}×`, wanted));
  list.value = wanted;
}

// The last hour at once: what the list of events reaches no more, looked through with its filter.
export function playLastHour() {
  const to = endOfDay();
  chooseSpeed("max");
  choose("replay-from", to - HOUR_MS);
  choose("replay-to", to);
  begin(to - HOUR_MS, to);
}

// The link that `kentongan replay --out page` prints opens its replay.
function openFromAddress() {
  const query = new URLSearchParams(location.search);
  const [from, to] = [Date.parse(query.get("from")), Date.parse(query.get("to"))];
  if (!(from < to)) return;
  chooseSpeed(query.get("speed"));
  choose("replay-from", from);
  choose("replay-to", to);
  // a link of old has a topic= for each; the server takes them with commas between
  begin(from, to, Object.fromEntries(FILTERS.filter((name) => query.get(name)).map((name) => [name, query.getAll(name).join(",")])));
}

export function startReplay(events) {
  list = events;
  const hour = Math.floor(Date.now() / HOUR_MS) * HOUR_MS;
  choose("replay-from", hour - HOUR_MS);
  choose("replay-to", hour);
  makeBar();
  showDay();
  setInterval(showDay, MINUTE_MS);
  setInterval(() => { if (run) { showReplay(); lendStates(stateThen); } }, 500);
  for (const id of ["replay-from", "replay-to"]) $(id).addEventListener("input", () => bar.redraw());
  $("replay-form").addEventListener("submit", (event) => { event.preventDefault(); begin(chosen("replay-from"), chosen("replay-to")); });
  $("replay-toggle").addEventListener("click", toggle);
  $("replay-step").addEventListener("click", step);
  $("replay-leave").addEventListener("click", leave);
  $("replay-speed").addEventListener("change", () => { if (run?.playing) play(); else showReplay(); });
  $("replay-at").addEventListener("input", () => { run.dragging = true; put($("replay-clock"), exact(run.from + 1000 * $("replay-at").value)); });
  $("replay-at").addEventListener("change", () => { run.dragging = false; seek(run.from + 1000 * $("replay-at").value); });
  forAuditors(makeAuditorsButton);
  openFromAddress();
}
