// SPDX-License-Identifier: MIT
// A department's dead letters: what each is, why, since when, its event by a click, and the command that tries it again.
import { village } from "./board.js";
import { step } from "./case.js";
import { element } from "./dom.js";
import { moment, number } from "./format.js";
import { capital, kind } from "./kinds.js";
import { recordAt, strange } from "./record.js";
import { say } from "./words.js";

const timeOf = (at) => (typeof at === "number" ? at * 1000 : at);
const options = (department) => `--department deploy/departments/${department.name} --database CONNINFO`;
const HOPELESS = ["framing", "decode", "origin"]; // what is no record of ours never will be one

// The command for a letter: try it again, or drop what can never be right.
function command(department, id, { class: why }) {
  const what = HOPELESS.includes(why) ? `waive ${id} --reason "..."` : `retry ${id} --preview`;
  return `kentongan dead-letters ${what} ${options(department)} --brokers HOST:PORT`;
}

const SQL_CLASSES = ["23502", "23503", "23505", "23514", "P0001"];

function whyRefused(letter) {
  const words = say("letterClasses");
  const known = SQL_CLASSES.includes(letter.sqlstate) ? letter.sqlstate : (letter.sqlstate || "").slice(0, 2);
  const why = (letter.class === "data" && say("sqlClasses")[known]) || words[letter.class] || letter.class;
  return letter.sqlstate ? `${why} (SQLSTATE ${letter.sqlstate})` : why;
}

// Its event is asked for when somebody wants to see it.
function itsEvent(letter) {
  const place = element("div", {});
  const look = async () => {
    place.replaceChildren(element("p", { class: "soft" }, "…"));
    try {
      const event = await recordAt(letter);
      place.replaceChildren(...(event.undecodable ? strange(event) : [element("ol", { class: "life" }, step(event))]));
    } catch (fault) { place.replaceChildren(element("p", { class: "trouble", role: "alert" }, fault.message)); }
  };
  return element("details", { ontoggle: (event) => event.target.open && look() }, element("summary", {}, say("itsEvent")), place);
}

function letterLine(department, letter) {
  const place = village(letter.village);
  return element("li", { class: "letter" },
    element("p", {}, element("strong", {}, [capital(kind(letter.topic).word), letter.seq && number(letter.seq)].filter(Boolean).join(" ")), ", ",
      letter.village ? element("a", { href: `/villages/${letter.village}`, "data-room": "village" }, place ? `${place.name}, ${place.district}` : letter.village) : say("noVillage"),
      element("span", { class: "soft" }, ` ${say("since", moment(timeOf(letter.at)))}`)),
    element("p", {}, whyRefused(letter)),
    itsEvent(letter),
    element("pre", { tabindex: 0 }, command(department, letter.id, letter)));
}

export function letters(department) {
  const own = department.letters || [];
  if (own.length === 0) return [];
  return [element("h3", {}, say("lettersOf")), element("ol", { class: "letters" }, ...own.map((letter) => letterLine(department, letter))),
    department.dead > own.length ? element("p", { class: "soft" }, say("moreLetters", number(department.dead - own.length))) : null].filter(Boolean);
}

// What to type: [word that says what for, ...lines].
export function commands(department) {
  if (department.dead === 0 && department.parked === 0)
    return ["toLook", `kentongan department check deploy/departments/${department.name} --database CONNINFO`];
  const list = `kentongan dead-letters list ${options(department)}`;
  return department.letters?.length ? ["toRepair", list] : ["toRepair", list, command(department, "ID", {})];
}
