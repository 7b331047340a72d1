// SPDX-License-Identifier: MIT
// An old picture that looks live is worse than none: say since when it is old, and grey it.
import { $, put } from "./dom.js";
import { exact } from "./format.js";
import { say } from "./words.js";

const STALE_MS = 5000;
let news = 0; // when the last word came, by this machine
let shown = null; // the server's time of the picture

export function fresh(time) {
  news = Date.now();
  shown = time || shown;
  showAge();
}

export function showAge() {
  const stale = shown !== null && Date.now() - news > STALE_MS;
  document.body.classList.toggle("stale", stale);
  $("stale").hidden = !stale;
  if (stale) put($("stale"), say("stale", exact(shown)));
}

export function startAge() {
  setInterval(showAge, 1000);
}
