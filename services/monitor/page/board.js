// SPDX-License-Identifier: MIT
// Which village is silent? A tile each: as a board by district, or at its place on the map.
// Shape and letter say the state; colour comes third.
import { $, element, put, walkable } from "./dom.js";
import { clock, number, span } from "./format.js";
import { go } from "./panel.js";
import { say } from "./words.js";

const STATES = ["sending", "quiet", "waiting", "silent", "blocked", "unknown"];
const HOUR_MS = 3600000, DAY_MS = 24 * HOUR_MS;
const tiles = { board: new Map(), map: new Map() };
let villages = new Map();
let stateNow = (village) => village.state;
let tidy = [];

export const stateWord = (state) => say(state === "unknown" ? "never" : state);
export const village = (code) => villages.get(code);

function makeTile(code) {
  return element("button", { type: "button", class: "tile", tabindex: -1, "data-code": code, onclick: () => go(`/villages/${code}`) });
}

function fillTile(tile, found) {
  const state = stateNow(found);
  const age = state === "waiting" && found.oldest_pending_at ? Date.now() - Date.parse(found.oldest_pending_at) : 0;
  const when = age ? `, ${say("oldestFor", span(age))}` : found.last_heard_at ? `, ${clock(found.last_heard_at, false)}` : "";
  const label = `${found.name}, ${found.district}: ${stateWord(state)}${when}`;
  if (tile.dataset.state !== state) tile.dataset.state = state;
  tile.dataset.age = age > DAY_MS ? "days" : age > HOUR_MS ? "hours" : "";
  put(tile, say("letters")[state]);
  if (tile.title !== label) { tile.title = label; tile.setAttribute("aria-label", label); }
}

function makeBoard() {
  const districts = new Map();
  for (const found of villages.values()) districts.set(found.district, [...(districts.get(found.district) || []), found]);
  $("board").replaceChildren(...[...districts].map(([name, own]) => {
    const row = element("div", { class: "tiles" });
    for (const found of own) tiles.board.set(found.village_code, row.appendChild(makeTile(found.village_code)));
    return element("div", { class: "district", role: "group", "aria-label": say("district", name) }, element("b", { "aria-hidden": "true" }, name), row);
  }));
}

// Degrees to parts of the picture; a degree east is shorter than one north, this near the equator by one in a hundred.
function placing(all) {
  const span = (of) => [Math.min(...all.map(of)), Math.max(...all.map(of))];
  const [west, east] = span((found) => found.longitude), [south, north] = span((found) => found.latitude);
  return (found) => [(found.longitude - west) / (east - west), (north - found.latitude) / (north - south)];
}

const percent = (part) => `${(4 + 92 * part).toFixed(2)}%`;

function setPlace(node, [x, y]) {
  node.style.left = percent(x);
  node.style.top = percent(y);
  return node;
}

function makeMap() {
  const all = [...villages.values()].filter((found) => found.latitude && found.longitude);
  if (all.length === 0) return;
  const place = placing(all);
  const districts = new Map();
  $("map").replaceChildren();
  for (const found of all) {
    const at = place(found);
    tiles.map.set(found.village_code, $("map").appendChild(setPlace(makeTile(found.village_code), at)));
    districts.set(found.district, [...(districts.get(found.district) || []), at]);
  }
  for (const [name, spots] of districts) {
    const middle = [0, 1].map((axis) => spots.reduce((sum, at) => sum + at[axis], 0) / spots.length);
    $("map").append(setPlace(element("span", { class: "place", "aria-hidden": "true" }, name), middle));
  }
  spreadNames();
}

// Names that would lie on each other move down, the northern one keeps its place.
function spreadNames() {
  const taken = [];
  const names = [...$("map").querySelectorAll(".place")];
  for (const name of names) name.style.marginTop = "";
  const boxes = names.map((name) => [name, name.getBoundingClientRect()]).sort(([, a], [, b]) => a.top - b.top);
  for (const [name, box] of boxes) {
    const across = taken.filter((other) => other.left < box.right && box.left < other.right).sort((a, b) => a.top - b.top);
    let top = box.top;
    for (const other of across) if (top < other.bottom && other.top < top + box.height) top = other.bottom + 1;
    if (top !== box.top) name.style.marginTop = `${top - box.top}px`;
    taken.push({ left: box.left, right: box.right, top, bottom: top + box.height });
  }
}

// Take the register: all villages, in the order of their codes.
export function setVillages(all) {
  const same = all.length === villages.size;
  villages = new Map(all.map((found) => [found.village_code, found]));
  if (!same) { makeBoard(); makeMap(); }
  showBoard();
}

export function changeVillages(changed) {
  if (changed.length === 0) return;
  for (const found of changed) villages.set(found.village_code, { ...villages.get(found.village_code), ...found });
  showTiles(changed);
  showLegend();
}

function showTiles(some) {
  for (const found of some) {
    for (const view of Object.values(tiles)) {
      const tile = view.get(found.village_code);
      if (tile) fillTile(tile, villages.get(found.village_code));
    }
  }
}

export function showBoard() {
  showTiles(villages.values());
  showLegend();
  for (const clean of tidy) clean();
}

// What each tile means, and how many there are.
export function showLegend() {
  const counts = {};
  for (const found of villages.values()) counts[stateNow(found)] = (counts[stateNow(found)] || 0) + 1;
  $("legend").replaceChildren(...STATES.map((state) => element("span", {},
    element("span", { class: "tile", "data-state": state, "aria-hidden": "true" }, say("letters")[state]), " ",
    element("b", {}, number(counts[state] || 0)), " ", stateWord(state))));
}

// Let another clock say the states (a replay's); null: the monitor's own word again.
export function lendStates(from) {
  stateNow = from || ((found) => found.state);
  showBoard();
}

function choose(view) {
  for (const name of ["board", "map"]) {
    $(name).hidden = name !== view;
    $(`view-${name}`).setAttribute("aria-pressed", name === view);
  }
  for (const clean of tidy) clean();
}

export function startBoard() {
  new ResizeObserver(spreadNames).observe($("map"));
  tidy = [walkable($("board"), ".tile"), walkable($("map"), ".tile")];
  for (const name of ["board", "map"]) $(`view-${name}`).addEventListener("click", () => choose(name));
  showLegend();
}
