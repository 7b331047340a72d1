// SPDX-License-Identifier: MIT
// A case's life across topics, as the departments' archive (satu_data) has it; masked, unless an auditor says why not.
// What it has not (yet) of the event that was clicked comes from Kafka.
import { ask } from "./access.js";
import { because, openMark, reasonForm } from "./audit.js";
import { village } from "./board.js";
import { element } from "./dom.js";
import { clock, day, exact } from "./format.js";
import { capital, kind, what } from "./kinds.js";
import { openLater } from "./panel.js";
import { recordAt } from "./record.js";
import { say, symbol } from "./words.js";

const LATE_MS = 60000;
const PLACE = new Set(["topic", "partition", "offset", "record"]);

const actor = (event) => [event.actor_role && symbol(event.actor_role), event.actor_name].filter(Boolean).join(" ");

function fields(event) {
  const shown = Object.entries(event).filter(([name, value]) => value !== null && value !== undefined && value !== "" && !PLACE.has(name));
  return element("details", {}, element("summary", {}, say("everything")),
    element("dl", { class: "fields" }, ...shown.flatMap(([name, value]) => [
      element("dt", {}, name), element("dd", {}, typeof value === "object" ? JSON.stringify(value) : String(value))])));
}

// One event as a step of its case.
export function step(event, before = null, remark = "") {
  const { mark, look, word } = kind(event.topic);
  const newDay = !before || day(before.occurred_at) !== day(event.occurred_at);
  const late = Date.parse(event.recorded_at) - Date.parse(event.occurred_at) > LATE_MS;
  return element("li", {},
    newDay ? element("p", { class: "day" }, day(event.occurred_at)) : null,
    element("p", {}, element("time", { datetime: event.occurred_at }, clock(event.occurred_at, false)),
      element("span", { class: `mark ${look}`, "aria-hidden": "true" }, mark), element("strong", {}, capital(word)), `: ${what(event)}`),
    element("p", { class: "soft" }, [actor(event) && say("by", actor(event)), late && say("reportedLater", exact(event.recorded_at)), remark].filter(Boolean).join(", ")),
    fields(event));
}

function draw(found, reason) {
  const place = village(found.village_code);
  return [
    element("p", {}, element("a", { href: `/villages/${found.village_code}`, "data-room": "village" },
      place ? `${place.name}, ${place.district}` : found.village_code), " ", element("span", { class: "soft" }, found.village_code)),
    found.trouble ? element("p", { class: "trouble", role: "alert" }, found.trouble) : null,
    element("p", { class: "soft" }, say(found.trouble ? "onlyThisEvent" : reason ? "caseEventsOpen" : "caseEvents", found.events.length)),
    reason ? openMark(reason) : null,
    element("ol", { class: "life" }, ...found.events.map((event, at) => step(event, found.events[at - 1], event === found.added ? say("notInArchive") : ""))),
    reason || found.trouble ? null : reasonForm(say("whyThisCase"), (given) => show(found.village_code, found.case_id, null, given)),
  ].filter(Boolean);
}

function putInOrder(found, event) {
  const after = found.events.findIndex((other) => other.recorded_at > event.recorded_at);
  found.events.splice(after < 0 ? found.events.length : after, 0, event);
  found.added = event;
}

// The case; with the event that was clicked, also where the archive lacks it or does not answer.
async function load(code, id, clicked, reason) {
  let found;
  try {
    found = await ask(`/v1/cases/${encodeURIComponent(code)}/${encodeURIComponent(id)}`, because(reason));
  } catch (fault) {
    if (!clicked || reason) throw fault;
    const event = await recordAt(clicked).catch(() => { throw fault; });
    return { village_code: code, case_id: id, events: [event], trouble: fault.message };
  }
  if (clicked && !reason && !found.events.some((event) => event.event_id === clicked.event_id)) {
    const event = await recordAt(clicked).catch(() => null);
    if (event) putInOrder(found, event);
  }
  return found;
}

function show(code, id, clicked, reason = "") {
  openLater(() => say("caseOf", id), () => load(code, id, clicked, reason), (found) => draw(found, reason));
}

// The event that was clicked, where one was, waits in the history's entry: an address that was sent has none.
export function openCase(code, id) {
  show(code, id, history.state?.event || null);
}
