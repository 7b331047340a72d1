// SPDX-License-Identifier: MIT
// A case's life across topics, as the departments' archive (satu_data) has it; masked.
import { ask } from "./access.js";
import { village } from "./board.js";
import { element } from "./dom.js";
import { clock, day, exact } from "./format.js";
import { capital, kind, what } from "./kinds.js";
import { openLater } from "./panel.js";
import { say, symbol } from "./words.js";

const LATE_MS = 60000;
const PLACE = new Set(["topic", "partition", "offset", "record"]);

const actor = (event) => [event.actor_role && symbol(event.actor_role), event.actor_name].filter(Boolean).join(" ");

function fields(event) {
  const shown = Object.entries(event).filter(([name, value]) => value !== null && value !== "" && !PLACE.has(name));
  return element("details", {}, element("summary", {}, say("everything")),
    element("dl", { class: "fields" }, ...shown.flatMap(([name, value]) => [
      element("dt", {}, name), element("dd", {}, typeof value === "object" ? JSON.stringify(value) : String(value))])));
}

function step(event, before) {
  const { mark, look, word } = kind(event.topic);
  const newDay = !before || day(before.occurred_at) !== day(event.occurred_at);
  const late = Date.parse(event.recorded_at) - Date.parse(event.occurred_at) > LATE_MS;
  return element("li", {},
    newDay ? element("p", { class: "day" }, day(event.occurred_at)) : null,
    element("p", {}, element("time", { datetime: event.occurred_at }, clock(event.occurred_at, false)),
      element("span", { class: `mark ${look}`, "aria-hidden": "true" }, mark), element("strong", {}, capital(word)), `: ${what(event)}`),
    element("p", { class: "soft" }, [actor(event) && say("by", actor(event)), late && say("reportedLater", exact(event.recorded_at))].filter(Boolean).join(", ")),
    fields(event));
}

function draw(found) {
  const place = village(found.village_code);
  return [
    element("p", {}, element("a", { href: `/villages/${found.village_code}`, "data-room": "village" },
      place ? `${place.name}, ${place.district}` : found.village_code), " ", element("span", { class: "soft" }, found.village_code)),
    element("p", { class: "soft" }, say("caseEvents", found.events.length)),
    element("ol", { class: "life" }, ...found.events.map((event, at) => step(event, found.events[at - 1]))),
  ];
}

export function openCase(code, id) {
  openLater(() => say("caseOf", id), () => ask(`/v1/cases/${encodeURIComponent(code)}/${encodeURIComponent(id)}`), draw);
}
