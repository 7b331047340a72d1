// SPDX-License-Identifier: MIT
// One record of Kafka by its place, for what the page holds no more or never did.
import { ask } from "./access.js";
import { element } from "./dom.js";
import { exact } from "./format.js";
import { openLater } from "./panel.js";
import { say } from "./words.js";

// The event as a line of the list has it.
export async function recordAt({ topic, partition, offset }) {
  const found = await ask(`/v1/records/${encodeURIComponent(topic)}/${partition}/${offset}`);
  return { undecodable: found.undecodable, appended_at: found.at, ...found.event, topic, partition, offset };
}

const fact = (word, value) => [element("dt", {}, word), element("dd", {}, value)];

export function strange(event) {
  return [element("p", {}, say("strangeRecord")), element("dl", {},
    ...fact(say("topicName"), event.topic), ...fact(say("partition"), event.partition), ...fact(say("offset"), event.offset),
    ...(event.appended_at ? fact(say("cameAt"), exact(event.appended_at)) : []))];
}

// A line that belongs to no case: nobody can say whose it is.
export function openRecord(event) {
  openLater(() => say("undecodable"), () => recordAt(event), strange);
}
