// SPDX-License-Identifier: MIT
// The one door to the monitor: every question goes out with the token, where there is one.
// Who is not let in is shown how to come in. The token lives in this tab only.
import { $ } from "./dom.js";
import { language, say } from "./words.js";

const STORE = "kentongan-token";
let token = "";
let refused = null; // the word that says why, while the form is shown
const waiting = [];

// What a header can carry: a sign that came along from a chat is none of a token's.
const isToken = (text) => /^[\x21-\x7e]{1,1000}$/.test(text);

try { token = sessionStorage.getItem(STORE) || ""; } catch { /* none, then */ }

// What the server says against a question, in the reader's language.
export async function reason(answer) {
  const problem = await answer.json().catch(() => ({ title: `${answer.status} ${answer.statusText}` }));
  return (language() === "id" && problem.detail_id) || problem.detail || problem.title;
}

function keep(text) {
  token = text;
  try {
    if (text) sessionStorage.setItem(STORE, text); else sessionStorage.removeItem(STORE);
  } catch { /* kept until the page is loaded anew */ }
  $("leave").hidden = !text;
}

export function showAccess() {
  $("access").hidden = refused === null;
  $("picture").hidden = $("sentence").hidden = refused !== null;
  $("token-fault").textContent = refused ? say(refused) : "";
}

function refuse() {
  if (refused !== null) return;
  refused = token ? "wrongToken" : "";
  showAccess();
  $("token").focus();
}

const letIn = () => new Promise((resolve) => waiting.push(resolve));

// The answer, or a wait until somebody has typed a token that is let in.
export async function open(path, options = {}) {
  if (refused !== null) await letIn();
  const headers = { ...options.headers, ...(token ? { Authorization: `Bearer ${token}` } : {}) };
  const answer = await fetch(path, { ...options, headers, cache: "no-store" });
  if (answer.status !== 401) return answer;
  refuse();
  return open(path, options);
}

// JSON of a path. What cannot be had is an Error with the words of the server.
export async function ask(path, headers = {}) {
  let answer;
  try { answer = await open(path, { headers }); } catch { throw new Error(say("unreachable")); }
  if (answer.ok) return answer.json();
  throw new Error(await reason(answer));
}

export function startAccess() {
  $("leave").hidden = !token;
  $("leave").addEventListener("click", () => { keep(""); location.reload(); });
  $("access-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const typed = $("token").value.trim();
    $("token").value = "";
    refused = isToken(typed) ? null : "wrongToken";
    showAccess();
    if (refused !== null) return;
    keep(typed);
    for (const resolve of waiting.splice(0)) resolve();
  });
}
