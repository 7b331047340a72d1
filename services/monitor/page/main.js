// SPDX-License-Identifier: MIT
// The monitor's page: a stream of events and, each second, one picture of everything.
import { ask, showAccess, startAccess } from "./access.js";
import { learnRoles } from "./audit.js";
import { fresh, showAge, startAge } from "./age.js";
import { changeVillages, setVillages, showBoard, startBoard } from "./board.js";
import { openCase } from "./case.js";
import { redrawCharts } from "./charts.js";
import { showDepartments } from "./departments.js";
import { $, put } from "./dom.js";
import { makeList, redrawEvents, startEvents } from "./events.js";
import { clock } from "./format.js";
import { showNumbers, startNumbers } from "./numbers.js";
import { redrawPanel, serveAddress, showAddress, startPanel } from "./panel.js";
import { playLastHour, showReplay, startReplay } from "./replay.js";
import { showSentence, startSentence } from "./sentence.js";
import { listen } from "./stream.js";
import { openVillage } from "./village.js";
import { language, remembered, say, speak } from "./words.js";

const AGAIN_MS = 2000;
let live = null;
let stats = null;
let named = false;

function showStats(picture) {
  stats = picture;
  put($("clock"), `${clock(stats.time)} WIB`);
  showSentence(stats);
  showNumbers(stats);
  showDepartments(stats);
  changeVillages(stats.changed || []);
}

// What came too fast to be sent is told; after a new life of the monitor the list begins anew.
function startAgain({ missed }) {
  if (missed) live.addGap(missed, stats.time);
  else live.clear();
}

async function begun() {
  learnRoles();
  await loadVillages();
}

async function loadVillages() {
  let found;
  try { found = await ask("/v1/villages"); } catch { setTimeout(loadVillages, AGAIN_MS); return; }
  setVillages(found.villages);
  redrawEvents();
  if (!named) showAddress(); // what is opened may name a village
  named = true;
}

function hear(event, data) {
  if (event === "stats") { fresh(data.time); showStats(data); }
  else if (event === "event") { fresh(); live.add(data); }
  else if (event === "reset") startAgain(data);
}

function speakOther() {
  speak(language() === "id" ? "en" : "id");
  nameOther();
  if (stats) showStats(stats); else showSentence(null);
  showAge();
  showAccess();
  showBoard();
  redrawEvents();
  redrawPanel();
  showReplay();
  redrawCharts();
}

function nameOther() {
  put($("language"), say("other"));
  $("language").lang = language() === "id" ? "en" : "id";
}

speak(remembered());
nameOther();
$("language").addEventListener("click", speakOther);
startAccess();
startAge();
startSentence();
startNumbers();
startBoard();
startEvents();
startPanel();
live = makeList("events", "noEvents", playLastHour);
serveAddress(/^\/villages\/([^/]+)$/, openVillage);
serveAddress(/^\/cases\/([^/]+)\/(.+)$/, openCase);
startReplay(makeList("replayed", "noneThen"));
listen("/events", hear, begun, (words) => { if (!stats) showSentence(null, words); });
