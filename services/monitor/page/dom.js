// SPDX-License-Identifier: MIT
// Small words for the document: find, make, change only what differs, walk by arrow keys.

export const $ = (id) => document.getElementById(id);

export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

// A text that stays is not set anew: a screen reader would read it again.
export function put(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function table(heads, rows) {
  return element("table", {},
    element("thead", {}, element("tr", {}, ...heads.map((head, at) => element("th", { scope: "col", class: at ? "n" : null }, head)))),
    element("tbody", {}, ...rows.map((row) => element("tr", {},
      ...row.map((cell, at) => (at ? element("td", { class: "n" }, cell) : element("th", { scope: "row" }, cell)))))));
}

const DIRECTIONS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

function nearest(from, all, [x, y]) {
  const middle = (node) => { const box = node.getBoundingClientRect(); return [box.left + box.width / 2, box.top + box.height / 2]; };
  const [left, top] = middle(from);
  let best = null, least = Infinity;
  for (const node of all) {
    const [across, down] = [middle(node)[0] - left, middle(node)[1] - top];
    const ahead = across * x + down * y, aside = Math.abs(across * y) + Math.abs(down * x);
    if (node === from || ahead < 2 || ahead + 4 * aside >= least) continue;
    [best, least] = [node, ahead + 4 * aside];
  }
  return best;
}

// One stop of the Tab key for many things; the arrow keys go from one to the next.
export function walkable(container, selector) {
  const all = () => [...container.querySelectorAll(selector)].filter((node) => node.offsetParent !== null);
  const enter = (node) => {
    for (const other of container.querySelectorAll(`${selector}[tabindex="0"]`)) other.tabIndex = -1;
    node.tabIndex = 0;
  };
  container.addEventListener("focusin", (event) => { if (event.target.matches(selector)) enter(event.target); });
  container.addEventListener("keydown", (event) => {
    if (!DIRECTIONS[event.key] || !event.target.matches(selector)) return;
    event.preventDefault();
    const next = nearest(event.target, all(), DIRECTIONS[event.key]);
    if (next) next.focus();
  });
  return () => { // to be called when the things have changed
    const first = all()[0];
    if (first && !container.querySelector(`${selector}[tabindex="0"]`)) first.tabIndex = 0;
  };
}
