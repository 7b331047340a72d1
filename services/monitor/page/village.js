// SPDX-License-Identifier: MIT
// One village: its state in words, its numbers by topic, its computer.
import { ask } from "./access.js";
import { stateWord, village } from "./board.js";
import { titleOf } from "./departments.js";
import { $, element, table } from "./dom.js";
import { filterBy } from "./events.js";
import { clock, exact, moment, number, size } from "./format.js";
import { capital, kind } from "./kinds.js";
import { openLater } from "./panel.js";
import { say } from "./words.js";

const fact = (word, value) => [element("dt", {}, word), element("dd", {}, value)];
const heading = (word) => element("h3", {}, word);
const amount = (value) => (value === null || value === undefined ? "–" : number(value));

function numbers(found) {
  const own = found.streams || (found.status ? found.status.topics : []) || [];
  if (own.length === 0) return [element("p", { class: "soft" }, say("noNumbers"))];
  const rows = own.map((stream) => [capital(kind(stream.topic).word), amount(stream.last_seq), amount(stream.delivered_seq)]);
  const note = found.reported_at ? [element("p", { class: "soft" }, say("numbersOf", clock(found.reported_at)))] : [];
  return [...note, table([say("topic"), say("accepted"), say("delivered")], rows), ...departments(own)];
}

// Each topic's departments: how far each has come, and what is not in order.
function departments(streams) {
  const rows = streams.flatMap((stream) => Object.entries(stream.departments || {}).map(([name, at]) => [
    `${titleOf(name)}, ${kind(stream.topic).word}`, amount(at.applied), amount(at.dead), amount(at.parked), amount(at.missing)]));
  return rows.length ? [table([say("department"), say("applied"), say("dead"), say("parked"), say("missing")], rows)] : [];
}

function computer(status) {
  const { link = {}, disk = {} } = status;
  return [heading(say("computer")), element("dl", {},
    ...fact(say("link"), [say("linkStates")[link.state] || link.state, link.since ? say("since", moment(link.since)) : "", link.reason].filter(Boolean).join(", ")),
    ...fact(say("clock"), say("clockStates")[status.clock] || status.clock),
    ...fact(say("disk"), `${say("diskStates")[disk.state] || disk.state}, ${say("free", size(disk.free_bytes))}`),
    ...(status.set_aside?.file ? fact(say("setAside"), say("lost", number(status.set_aside.missing))) : []),
    ...fact(say("version"), status.version || say("unknownYet")))];
}

function draw(found) {
  const state = found.state;
  return [
    element("p", { class: "soft" }, `${found.village_code} · ${say("kinds")[found.kind] || ""} · ${say("district", found.district)}`),
    element("p", { class: "verdict" }, element("span", { class: "tile", "data-state": state, "aria-hidden": "true" }, say("letters")[state]), " ",
      element("strong", {}, capital(stateWord(state))), ". ", say("meaning")[state]),
    element("dl", {},
      ...fact(say("eventsToday"), number(found.events)),
      ...fact(say("heard"), found.last_heard_at ? exact(found.last_heard_at) : say("none")),
      ...fact(say("pending"), found.pending ? `${number(found.pending)}, ${say("oldest", moment(found.oldest_pending_at))}` : say("nothingWaits")),
      ...fact(say("lastWord"), found.reported_at ? exact(found.reported_at) : say("none"))),
    heading(say("numbers")),
    ...numbers(found),
    ...(found.status ? computer(found.status) : []),
    element("p", {}, element("button", { type: "button", onclick: () => { $("panel").close(); filterBy(found.village_code); } }, say("itsEvents"))),
  ];
}

export function openVillage(code) {
  openLater((found) => (found || village(code) || { name: code }).name, () => ask(`/v1/villages/${encodeURIComponent(code)}`), draw);
}
