// SPDX-License-Identifier: MIT
// One drawer for all that is opened: a village, a case, a department, a chart's numbers.
// Villages and cases have an address that can be sent to a colleague.
import { $, element } from "./dom.js";
import { say, sayAll } from "./words.js";

let drawing = null;
let turn = 0; // an answer that comes after the reader went on is not shown

function fill([title, ...body]) {
  $("panel-title").textContent = title;
  $("panel-body").replaceChildren(...body);
  sayAll($("panel-body"));
}

// draw() gives [title, ...nodes]; it is called again when the language changes.
export function openPanel(draw) {
  turn++;
  drawing = draw;
  fill(draw());
  if (!$("panel").open) $("panel").showModal();
  $("panel-body").scrollTop = 0;
}

// What was open may have been personal: it does not stay behind a closed drawer.
function forget() {
  if ($("panel").open) return; // opened anew meanwhile
  drawing = null;
  $("panel-body").replaceChildren();
}

export function redrawPanel() {
  if ($("panel").open && drawing) fill(drawing());
}

// Open at once with a title, then with what has come, or with the words why not.
export async function openLater(title, load, draw) {
  openPanel(() => [title(), element("p", { class: "soft" }, "…")]);
  const mine = turn;
  let show;
  try {
    const found = await load();
    show = () => [title(found), ...draw(found)];
  } catch (fault) {
    show = () => [title(), element("p", { class: "trouble", role: "alert" }, fault.message)];
  }
  if (turn === mine && $("panel").open) openPanel(show);
}

const rooms = []; // [pattern of an address, open(...parts)]

export function serveAddress(pattern, open) {
  rooms.push([pattern, open]);
}

// A part of an address that was cut on its way stays as it is: then nothing of that name is found, in words.
function readable(part) {
  try { return decodeURIComponent(part); } catch { return part; }
}

export function showAddress() {
  for (const [pattern, open] of rooms) {
    const parts = location.pathname.match(pattern);
    if (parts) return open(...parts.slice(1).map(readable));
  }
  if (location.pathname !== "/") openPanel(() => [say("trouble"), element("p", { class: "trouble", role: "alert" }, say("noSuchAddress"))]);
  else if ($("panel").open) $("panel").close();
}

export function go(address, state = null) {
  history.pushState(state, "", address);
  showAddress();
}

export function startPanel() {
  $("panel-close").addEventListener("click", () => $("panel").close());
  $("panel").addEventListener("close", forget);
  $("panel").addEventListener("close", () => { if (location.pathname !== "/") history.pushState(null, "", "/"); });
  $("panel").addEventListener("click", (event) => { if (event.target === $("panel")) $("panel").close(); });
  addEventListener("popstate", showAddress);
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-room]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    event.preventDefault();
    go(link.getAttribute("href"), link.event && { event: link.event });
  });
}
