// SPDX-License-Identifier: MIT
// Personal data, for whoever has the role to see them and says why: docs/decisions/0065.
// Who has not is shown nothing of it. A reason lives as long as what was opened with it.
import { ask } from "./access.js";
import { element } from "./dom.js";
import { say } from "./words.js";

let me = null;
const waiting = []; // what makes an auditor's controls

const isAuditor = () => me !== null && me.roles.includes("audit");

// Learn who asks; called again until it is known.
export async function learnRoles() {
  if (me) return;
  try { me = await ask("/v1/me"); } catch { return; }
  if (isAuditor()) for (const make of waiting.splice(0)) make();
}

// Make controls once it is known that an auditor looks; never for anybody else.
export function forAuditors(make) {
  if (isAuditor()) make(); else waiting.push(make);
}

// A header holds bytes: the reason goes as UTF-8.
export const because = (reason) => (reason
  ? { "X-Kentongan-Reason": String.fromCharCode(...new TextEncoder().encode(reason)) } : {});

// Ask for the reason, then open(reason). Nothing for who may not.
export function reasonForm(explained, open) {
  if (!isAuditor()) return null;
  const field = element("input", { id: "reason", type: "text", minlength: 5, maxlength: 99, required: true, autocomplete: "off",
    "aria-describedby": "reason-kept" });
  return element("form", { class: "reason", onsubmit: (event) => { event.preventDefault(); open(field.value.trim()); } },
    element("label", { for: "reason" }, explained), field, element("button", { type: "submit" }, say("openPersonal")),
    element("p", { class: "soft", id: "reason-kept" }, say("reasonKept", me.name)));
}

export const openMark = (reason) => element("p", { class: "open-mark" }, element("strong", {}, say("personalOpen")), " ", say("becauseOf", reason));
