// SPDX-License-Identifier: MIT
// How much, how fast? Three numbers, each with its last hour.
import { hourChart, key, openTable } from "./charts.js";
import { $, element, put } from "./dom.js";
import { moment, number, rate, span } from "./format.js";
import { capital, kind } from "./kinds.js";
import { say } from "./words.js";

let stats = null;
let charts = null;

const from = () => Date.parse(stats.minutes.from);
const figure = (id, text, unit) => $(id).replaceChildren(text, ...(unit ? [" ", element("small", {}, unit)] : []));
const delayColumns = () => [stats.minutes.delivered_p50_ms, stats.minutes.delivered_p99_ms, stats.minutes.applied_p99_ms];
const seconds = (columns) => columns.map((values) => values.map((ms) => (ms === null ? null : ms / 1000)));

function makeCharts() {
  return {
    rate: hourChart($("rate-chart"), stats.topics.map((topic) => ({ look: kind(topic.topic).look })), rate),
    delay: hourChart($("delay-chart"), [{ look: "requests" }, { look: "requests", dash: [4, 3] }, { look: "approvals", dash: [4, 3] }],
      (seconds) => span(seconds * 1000)),
    waiting: hourChart($("waiting-chart"), [{ look: "other" }], number, 10),
  };
}

function showRate() {
  figure("rate", rate(stats.topics.reduce((sum, topic) => sum + topic.rate, 0)), say("perSecond"));
  $("rate-keys").replaceChildren(...stats.topics.map((topic) => {
    const { mark, look, word } = kind(topic.topic);
    return key(look, mark, `${capital(word)} `, element("b", {}, rate(topic.rate)));
  }));
  charts.rate(say("rate"), from(), stats.topics.map((topic) => topic.minutes.map((count) => count / 60)));
}

function showDelay() {
  const { latency } = stats;
  const known = (ms) => (ms === null || ms === undefined ? "–" : span(ms));
  figure("delay", known(latency && (latency.applied_p99_ms ?? latency.p99_ms)));
  put($("delay-what"), say("almostAll"));
  $("delay-keys").replaceChildren(
    key("requests", "▸", `${capital(say("toBroker"))} `, element("b", {}, `${known(latency?.p50_ms)} / ${known(latency?.p99_ms)}`)),
    key("approvals", "◆", `${capital(say("toDepartments"))} `, element("b", {}, `${known(latency?.applied_p50_ms)} / ${known(latency?.applied_p99_ms)}`)),
    element("p", { class: "key" }, say("lines")));
  charts.delay(say("delay"), from(), seconds(delayColumns()));
}

function showWaiting() {
  figure("waiting", number(stats.waiting), say("events"));
  put($("waiting-what"), stats.waiting > 0 && stats.oldest_waiting_at ? say("oldest", moment(stats.oldest_waiting_at)) : say("nothingWaits"));
  charts.waiting(say("inVillages"), from(), [stats.minutes.waiting]);
}

export function showNumbers(picture) {
  stats = picture;
  charts = charts || makeCharts();
  showRate();
  showDelay();
  showWaiting();
}

export function startNumbers() {
  $("rate-table").addEventListener("click", () => stats && openTable(() => `${say("rate")}, ${say("perMinute")}`, from(),
    () => stats.topics.map((topic) => capital(kind(topic.topic).word)), stats.topics.map((topic) => topic.minutes)));
  $("delay-table").addEventListener("click", () => stats && openTable(() => say("delay"), from(),
    () => [`${say("toBroker")} p50`, `${say("toBroker")} p99`, `${say("toDepartments")} p99`], delayColumns(), span));
  $("waiting-table").addEventListener("click", () => stats && openTable(() => say("inVillages"), from(), () => [say("waitingEvents")], [stats.minutes.waiting]));
}
