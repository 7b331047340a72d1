// SPDX-License-Identifier: MIT
// Is everything flowing? The worst thing first, in words, with the next step.
import { $, element, put } from "./dom.js";
import { moment, number } from "./format.js";
import { openPanel } from "./panel.js";
import { language, say } from "./words.js";

let alarms = [];

const text = (alarm) => alarm[`text_${language()}`];
const next = (alarm) => alarm[`next_${language()}`];

function show(mood, first, second) {
  put($("worst"), first);
  put($("next"), second);
  $("sentence").className = mood;
}

// Without a picture yet: that it is waited for, and what is in the way.
export function showSentence(stats, trouble = "") {
  if (!stats) return show(trouble && "bad", say("starting"), trouble);
  alarms = stats.alarms;
  const [worst] = alarms;
  if (worst) show(worst.severity, text(worst), next(worst));
  else show("good", say("flowing"), say("states", stats.states));
  $("alarms").hidden = alarms.length < 2;
  put($("alarms"), say("more", number(alarms.length - 1)));
  document.title = (alarms.length ? `(${alarms.length}) ` : "") + "Kentongan";
}

function villageOf({ subject }) {
  const code = subject.startsWith("village:") ? subject.slice("village:".length) : null;
  return code && element("p", {}, element("a", { href: `/villages/${code}`, "data-room": "village" }, say("openIt")));
}

function alarmLine(alarm) {
  return element("li", { class: `alarm ${alarm.severity}` }, element("p", {}, element("strong", {}, text(alarm)), " ", element("span", { class: "soft" }, say("since", moment(alarm.since)))),
    element("p", {}, next(alarm)), villageOf(alarm));
}

export function startSentence() {
  showSentence(null);
  $("alarms").addEventListener("click", () => openPanel(() => [say("alarms"), element("ol", { class: "alarms" }, ...alarms.map(alarmLine))]));
}
