// SPDX-License-Identifier: MIT
// One record of Kafka by its place, for what the page holds no more or never did.
import { ask } from "./access.js";
import { element } from "./dom.js";
import { exact } from "./format.js";
import { capital, kind, what } from "./kinds.js";
import { openLater } from "./panel.js";
import { say } from "./words.js";

// The event as a line of the list has it.
export async function recordAt({ topic, partition, offset }) {
  const found = await ask(`/v1/records/${encodeURIComponent(topic)}/${partition}/${offset}`);
  return { undecodable: found.undecodable, appended_at: found.at, ...found.event, topic, partition, offset };
}

const fact = (word, value) => [element("dt", {}, word), element("dd", {}, value)];

const whereItLies = (event) => element("dl", {},
  ...fact(say("topicName"), event.topic), ...fact(say("partition"), event.partition), ...fact(say("offset"), event.offset),
  ...(event.appended_at ? fact(say("cameAt"), exact(event.appended_at)) : []));

export const strange = (event) => [element("p", {}, say("strangeRecord")), whereItLies(event)];

const ours = (event) => [element("p", {}, capital(what(event)), event.case_id && element("span", { class: "soft" }, ` · ${event.case_id}`)), whereItLies(event)];

// A line that opens no case: one that is nobody's, or was taken back, or whose case has no address.
export function openRecord(event) {
  openLater((found) => (found && !found.undecodable ? capital(kind(event.topic).word) : say("undecodable")),
    () => recordAt(event), (found) => (found.undecodable ? strange(found) : ours(found)));
}
