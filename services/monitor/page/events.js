// SPDX-License-Identifier: MIT
// What is happening? The newest events as lines, newest first; a line opens its case.
// Lines come by the frame, so that a flood is drawn once, and stand still for a moment under a reader's hand.
import { village } from "./board.js";
import { $, element, put, walkable } from "./dom.js";
import { clock, number } from "./format.js";
import { caseAddress, hasAddress, kind, names, what } from "./kinds.js";
import { openRecord } from "./record.js";
import { say } from "./words.js";

const KEPT = 1000, SHOWN = 100, HAND_MS = 5000;
const byTime = (a, b) => (a.appended_at < b.appended_at ? 1 : a.appended_at > b.appended_at ? -1 : 0);

// What the words of the filter are looked for in.
function haystack(event) {
  const place = village(event.village_code);
  return [event.village_code, place?.name, place?.district, event.topic, kind(event.topic).word, event.service, event.case_id, what(event), names(event)]
    .filter(Boolean).join(" ").toLowerCase();
}

const wanted = () => $("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
const fits = (event, all) => event.missed || all.every((word) => haystack(event).includes(word));

function fillLine(line, event) {
  const { mark, look, word } = kind(event.topic);
  const place = village(event.village_code);
  const where = place ? `${place.name}, ${place.district}` : event.village_code || "";
  const people = names(event);
  const text = element("span", { class: "what" }, what(event), people && element("strong", {}, `  ${people}`), element("span", { class: "place" }, `  ${where}${event.case_id ? ` · ${event.case_id}` : ""}`));
  line.replaceChildren(element("time", { datetime: event.appended_at }, clock(event.appended_at)),
    element("span", { class: `mark ${look}`, title: word, role: "img", "aria-label": word }, mark), text);
}

// Where it lies in Kafka, for who opens it: enough to find it by, and nothing of what it says.
const placeOf = ({ topic, partition, offset, event_id }) => ({ topic, partition, offset, event_id });

function makeLine(event) {
  if (event.missed) return element("li", { class: "gap soft" }, say("missed", number(event.missed)));
  const line = hasAddress(event) ? element("a", { class: "line", href: caseAddress(event), "data-room": "case", tabindex: -1 })
    : element("button", { type: "button", class: "line", tabindex: -1, onclick: () => openRecord(event) });
  line.event = placeOf(event);
  fillLine(line, event);
  return element("li", {}, line);
}

function newestOf(came, before, most) {
  const all = [...came, ...before];
  if (came.length && before.length && came[came.length - 1].appended_at < before[0].appended_at) all.sort(byTime);
  return all.slice(0, most);
}

class EventList {
  constructor(list, emptyWord, further) {
    this.list = list;
    this.emptyWord = emptyWord;
    this.further = further; // looks further back than the list reaches, where that is possible
    this.tidy = walkable(list, ".line");
    this.touched = -HAND_MS;
    for (const sign of ["pointermove", "keydown", "focusin", "wheel"])
      list.addEventListener(sign, () => { this.touched = performance.now(); }, { passive: true });
    this.forget();
  }

  forget() {
    this.fresh = []; // as they came
    this.kept = []; // the newest of all, newest first
    this.fitting = []; // of those that fit the filter, however many others came since
    this.undrawn = [];
    this.coming = 0; // not in sight yet
    this.searched = 0;
    this.isMixed = false;
    this.quiet = true; // the first picture does not arrive with a gleam
  }

  // A tab that nobody sees draws nothing: it must not pile up what comes either.
  add(event) {
    this.fresh.push(event);
    this.coming++;
    if (this.fresh.length >= KEPT) this.settle();
    this.soon();
  }

  // A hole that the reader is to know of.
  addGap(missed, time) {
    this.add({ missed, appended_at: time });
  }

  clear() {
    this.forget();
    this.redraw();
  }

  soon() {
    this.frame ??= requestAnimationFrame(() => { this.frame = null; this.take(); });
  }

  // A pointer that was left lying on the list holds nothing up.
  waits() {
    const left = this.touched + HAND_MS - performance.now();
    if (left > 0) setTimeout(() => this.soon(), left);
    return left > 0;
  }

  settle() {
    const words = wanted();
    const came = this.fresh.splice(0).reverse().sort(byTime); // of one moment, the last to come stands first
    const fitting = came.filter((event) => fits(event, words));
    this.isMixed ||= came.length > 0 && came[came.length - 1].appended_at < (this.kept[0]?.appended_at || "");
    this.kept = newestOf(came, this.kept, KEPT);
    this.fitting = newestOf(fitting, this.fitting, KEPT);
    this.undrawn = newestOf(fitting, this.undrawn, SHOWN);
    this.searched += came.length;
  }

  take() {
    const waits = this.coming > 0 && this.waits();
    if (!this.list.hidden) put($("held"), waits ? say("held", number(this.coming)) : "");
    if (waits || this.coming === 0) return;
    this.settle();
    if (this.isMixed) this.redraw(); else this.prepend();
    this.quiet = false;
  }

  // The filter has changed, or the words in which it is looked for.
  refit() {
    const words = wanted();
    this.settle();
    this.fitting = [...new Set([...this.kept, ...this.fitting])].filter((event) => fits(event, words)).sort(byTime).slice(0, KEPT);
    this.searched = this.kept.length;
    this.redraw();
  }

  prepend() {
    const lines = this.undrawn.map(makeLine);
    if (!this.quiet) for (const line of lines) line.className = "new";
    for (const other of this.list.querySelectorAll(".empty, .further")) other.remove();
    this.list.prepend(...lines);
    while (this.list.children.length > SHOWN) this.list.lastChild.remove();
    this.finish();
  }

  redraw() {
    this.list.replaceChildren(...this.fitting.slice(0, SHOWN).map(makeLine));
    this.finish();
  }

  finish() {
    this.undrawn = [];
    this.coming = 0;
    this.isMixed = false;
    if (this.list.children.length === 0)
      this.list.append(element("li", { class: "empty soft" }, this.searched ? say("noneFits", number(this.searched)) : say(this.emptyWord)));
    if (this.further && wanted().length > 0)
      this.list.append(element("li", { class: "further" }, element("button", { type: "button", class: "quiet", onclick: this.further }, say("lookFurther"))));
    this.tidy();
  }
}

const lists = [];

export function makeList(id, emptyWord, further = null) {
  lists.push(new EventList($(id), emptyWord, further));
  return lists[lists.length - 1];
}

export function redrawEvents() {
  for (const list of lists) list.refit();
}

export function filterBy(text) {
  $("filter").value = text;
  redrawEvents();
  $("filter").focus();
}

export function startEvents() {
  $("filter").addEventListener("input", redrawEvents);
}
