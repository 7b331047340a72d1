// SPDX-License-Identifier: MIT
// What a topic is called and looks like, and what a record says in a few words.
import { money } from "./format.js";
import { say, symbol } from "./words.js";

const KNOWN = { requests: ["▸", "requests"], approvals: ["◆", "approvals"], payments: ["■", "payments"] };
const OTHERS = [["●", "other"], ["▲", "other"], ["✚", "other"]];
const met = new Map();

const short = (topic) => String(topic).split(".").pop();

// {mark, look, word}: shape, class of its colour, name. A topic that is new gets the next shape.
export function kind(topic) {
  const name = short(topic);
  if (!KNOWN[name] && !met.has(name)) met.set(name, OTHERS[met.size % OTHERS.length]);
  const [mark, look] = KNOWN[name] || met.get(name);
  return { mark, look, word: say("topics")[name] || name.replaceAll("-", " ") };
}

export const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

export const service = (slug) => (slug || "").replace(/^surat-(keterangan-|permohonan-|pengantar-)?/, "").replaceAll("-", " ");

export function what(event) {
  if (event.undecodable) return say("undecodable");
  if (event.record === "Void") return say("takenBack");
  const done = [event.decision || event.action, event.step].filter(Boolean).map(symbol).join(", ");
  return [service(event.service), done].filter(Boolean).join(" ") + (event.amount ? `, ${money(event.amount, event.currency)}` : "");
}

const DOTS = "•••";

// Names of people, where an auditor has them shown.
export const names = (event) => Object.entries(event)
  .filter(([field, value]) => /(^|_)name$/.test(field) && value && value !== DOTS).map(([, value]) => value).join(", ");

// A browser takes dots for folders: a case that is called so has no address of its own.
export const hasAddress = (event) => Boolean(event.case_id) && !/^\.{1,2}$/.test(event.case_id);

export const caseAddress = (event) => `/cases/${encodeURIComponent(event.village_code)}/${encodeURIComponent(event.case_id)}`;
