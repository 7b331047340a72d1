// SPDX-License-Identifier: MIT
// Is everything flowing? The worst thing first, in words, with the next step.
import { openDepartmentNamed } from "./departments.js";
import { $, element, put } from "./dom.js";
import { clock, moment, number } from "./format.js";
import { go, openPanel } from "./panel.js";
import { language, say } from "./words.js";

let alarms = [];

const text = (alarm) => alarm[`text_${language()}`];
const next = (alarm) => alarm[`next_${language()}`];

// What an alarm is about: [word, open()] of where it is looked at; null where there is no such place.
function placeOf(alarm) {
  const [what, name] = (alarm?.subject || "").split(":");
  if (what === "village") return ["openVillage", () => go(`/villages/${name}`)];
  return what === "department" ? ["openDepartment", () => openDepartmentNamed(name)] : null;
}

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
  const place = placeOf(worst);
  $("open-worst").hidden = !place;
  if (place) put($("open-worst"), say(place[0]));
  $("alarms").hidden = alarms.length < 2;
  put($("alarms"), say("more", number(alarms.length - 1)));
  document.title = (alarms.length ? `(${alarms.length}) ` : "") + "Kentongan";
}

function alarmLine(alarm) {
  const place = placeOf(alarm);
  const said = text(alarm).includes(clock(alarm.since, false)); // the sentence itself may say since when
  return element("li", { class: `alarm ${alarm.severity}` },
    element("p", {}, element("strong", {}, text(alarm)), " ", said ? null : element("span", { class: "soft" }, say("since", moment(alarm.since)))),
    element("p", {}, next(alarm)),
    place && element("p", {}, element("button", { type: "button", onclick: place[1] }, say(place[0]))));
}

export function startSentence() {
  showSentence(null);
  $("open-worst").addEventListener("click", () => placeOf(alarms[0])?.[1]());
  $("alarms").addEventListener("click", () => openPanel(() => [say("alarms"), element("ol", { class: "alarms" }, ...alarms.map(alarmLine))]));
}
