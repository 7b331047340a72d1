// SPDX-License-Identifier: MIT
// Which department is behind? A row each; a row opens what is known and the command to repair.
import { ask } from "./access.js";
import { $, element, put } from "./dom.js";
import { clock, exact, moment, number, span } from "./format.js";
import { commands, letters } from "./letters.js";
import { openLater } from "./panel.js";
import { say } from "./words.js";

const BEHIND = 1000;
const LATE_S = 3; // what a healthy sink says last is up to so old
const MARKS = { running: "✓", waiting: "…", halted: "✕", silent: "?", unknown: "·" };
const WORDS = { running: "running", waiting: "waitingState", halted: "halted", silent: "silentState", unknown: "unknown" };
const rows = new Map();
let now = 0; // the monitor's time of the picture

export const title = (department) => department.title || department.name.replaceAll("_", " ");
export const titleOf = (name) => title(rows.get(name)?.department || { name });

const stateOf = (department) => (MARKS[department.state] ? department.state : "unknown");
const stateCell = (state) => [element("span", { class: "mark", "aria-hidden": "true" }, MARKS[state]), " ", say(WORDS[state])];
const behind = (department) => (department.lag > 0 && department.lag_seconds >= LATE_S ? span(department.lag_seconds * 1000) : "");
const lastAt = (department) => department.last_row_at || department.reported_at;

function makeRow(department) {
  const open = element("button", { type: "button", class: "link", onclick: () => openDepartment(rows.get(department.name).department) });
  const cells = ["state", "n", "n", "n", "n last"].map((look) => element("td", { class: look }));
  return { open, cells, row: element("tr", {}, element("th", { scope: "row" }, open), ...cells) };
}

function fillRow({ open, cells }, department) {
  const state = stateOf(department);
  put(open, title(department));
  open.title = title(department);
  if (cells[0].dataset.state !== state || !cells[0].textContent.endsWith(say(WORDS[state]))) cells[0].replaceChildren(...stateCell(state));
  cells[0].dataset.state = state;
  cells[1].replaceChildren(element("span", { class: "time" }, behind(department)), " ", department.lag < 0 ? "–" : number(department.lag));
  put(cells[2], number(department.dead));
  put(cells[3], number(department.parked));
  put(cells[4], lastAt(department) ? clock(lastAt(department), false) : "–");
  cells[1].classList.toggle("warn", department.lag > BEHIND);
  cells[2].classList.toggle("bad", department.dead > 0);
  cells[3].classList.toggle("warn", department.parked > 0);
}

export function showDepartments(stats) {
  now = stats.time;
  for (const department of stats.departments) {
    if (!rows.has(department.name)) {
      rows.set(department.name, makeRow(department));
      $("departments").append(rows.get(department.name).row);
    }
    const row = rows.get(department.name);
    row.department = department;
    fillRow(row, department);
  }
}

const fact = (word, value) => [element("dt", {}, word), element("dd", {}, value)];
const delays = ({ p50_ms: half, p99_ms: most }) => (half === null || half === undefined ? say("unknownYet") : say("delays", span(half), span(most)));

function draw(department) {
  const [word, ...lines] = commands(department);
  return [
    element("p", { class: "soft" }, say("asked", exact(now))),
    element("dl", {},
      ...fact(say("state"), element("span", { class: "state", "data-state": stateOf(department) }, ...stateCell(stateOf(department)))),
      ...(department.reason ? fact(say("reason"), department.reason) : []),
      ...fact(say("behind"), [number(Math.max(0, department.lag)), say("records"), behind(department)].join(" ")),
      ...fact(say("dead"), number(department.dead)),
      ...fact(say("parked"), number(department.parked)),
      ...fact(say("applied"), `${number(department.applied)} ${say("records")}`),
      ...fact(say("delay"), delays(department)),
      ...(department.last_row_at ? fact(say("lastRow"), moment(department.last_row_at)) : []),
      ...fact(say("lastWord"), department.reported_at ? moment(department.reported_at) : say("none"))),
    ...letters(department),
    element("h3", {}, say(word)), ...lines.map((line) => element("pre", { tabindex: 0 }, line)),
    element("p", { class: "soft" }, say(word === "toRepair" ? "placeholders" : "placeholder"))];
}

// The row as the last picture had it is enough where the letters cannot be had.
async function withLetters(department) {
  if (department.dead === 0) return department;
  const { departments } = await ask("/v1/departments").catch(() => ({ departments: [] }));
  return departments.find((found) => found.name === department.name) || department;
}

function openDepartment(department) {
  openLater(() => title(department), () => withLetters(department), draw);
}

export function openDepartmentNamed(name) {
  if (rows.has(name)) openDepartment(rows.get(name).department);
}
