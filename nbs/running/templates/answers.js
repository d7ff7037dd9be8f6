"use strict";
const by = (id) => document.getElementById(id);
const list = by("cards");
const given = [...list.children];
const words = new Map(given.map((card) => [card, card.textContent.toLowerCase()]));
const orders = {
  given: () => 0,
  path: (a, b) => a.dataset.path.localeCompare(b.dataset.path, undefined, { numeric: true }),
  way: (a, b) => a.dataset.way.localeCompare(b.dataset.way),
  deep: (a, b) => b.dataset.deep - a.dataset.deep,
  sure: (a, b) => a.dataset.sure - b.dataset.sure,
};
// ---- the tree of the answers: each node filters the photos to those that stop at or below it ----
const SEPARATOR = " › ", FEW = 5; // photos beside a node
const ways = new Map(given.map((card) => [card, card.dataset.way ? card.dataset.way.split(SEPARATOR) : []]));
let chosen = "";
function grow(cards, depth) { // cards share their first `depth` steps → items of a tree
  const below = Map.groupBy ? Map.groupBy(cards, (card) => ways.get(card)[depth]) : grouped(cards, depth);
  return [...below].filter(([step]) => step).map(([, inside]) => {
    let end = depth + 1; // steps that all of them take together are one item
    while (inside.every((card) => ways.get(card).length > end && ways.get(card)[end] === ways.get(inside[0])[end])) end += 1;
    return { way: ways.get(inside[0]).slice(0, end), from: depth, cards: inside, children: grow(inside, end) };
  }).sort((a, b) => b.cards.length - a.cards.length);
}
function grouped(cards, depth) {
  const found = new Map();
  for (const card of cards) found.set(ways.get(card)[depth], [...(found.get(ways.get(card)[depth]) || []), card]);
  return found;
}
function item(node, level) {
  const entry = document.createElement("li"), row = document.createElement("span");
  const way = node.way.join(SEPARATOR), stopping = node.cards.filter((card) => card.dataset.way === way);
  entry.setAttribute("role", "treeitem");
  entry.setAttribute("aria-level", level);
  entry.setAttribute("aria-selected", "false");
  entry.tabIndex = -1;
  entry.dataset.way = way;
  row.className = "row";
  row.append(node.way.slice(node.from).join(SEPARATOR) + " ");
  const count = document.createElement("b");
  count.textContent = node.cards.length;
  row.append(count);
  for (const card of stopping.slice(0, FEW)) {
    const photo = card.querySelector("img");
    if (photo) row.append(Object.assign(document.createElement("img"), { src: photo.src, alt: "" }));
  }
  if (stopping.length > FEW) row.append(`+${stopping.length - FEW}`);
  entry.append(row);
  if (node.children.length) {
    entry.setAttribute("aria-expanded", "true");
    const group = document.createElement("ul");
    group.setAttribute("role", "group");
    group.append(...node.children.map((child) => item(child, level + 1)));
    entry.append(group);
  }
  return entry;
}
function choose(entry) { // once more: all of them again
  chosen = chosen === entry.dataset.way ? "" : entry.dataset.way;
  for (const other of by("tree").querySelectorAll("li")) other.setAttribute("aria-selected", String(other.dataset.way === chosen));
  show();
}
function open(entry, whether) {
  if (!entry.hasAttribute("aria-expanded")) return false;
  const changed = entry.getAttribute("aria-expanded") !== String(whether);
  entry.setAttribute("aria-expanded", String(whether));
  entry.querySelector("ul").hidden = !whether;
  return changed;
}
function move(event) {
  const here = event.target.closest("li"), seen = [...by("tree").querySelectorAll("li")].filter((li) => !li.closest("ul[hidden]"));
  const at = seen.indexOf(here), go = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: seen.length - 1 }[event.key];
  let next = seen[go];
  if (event.key === "ArrowRight" && !open(here, true)) next = here.querySelector("li");
  else if (event.key === "ArrowLeft" && !open(here, false)) next = here.parentNode.closest("li");
  else if (event.key === "Enter" || event.key === " ") choose(here);
  else if (!(event.key.startsWith("Arrow") || go !== undefined)) return;
  event.preventDefault();
  if (next) focusOn(next);
}
function focusOn(entry) {
  for (const other of by("tree").querySelectorAll("li")) other.tabIndex = other === entry ? 0 : -1;
  entry.focus();
}
function show() {
  const wanted = by("search").value.trim().toLowerCase().split(/\s+/);
  const verdict = by("verdict").value;
  let n = 0;
  for (const card of given) {
    const below = !chosen || `${card.dataset.way}${SEPARATOR}`.startsWith(`${chosen}${SEPARATOR}`);
    const fits = below && (!verdict || card.dataset.verdict === verdict);
    card.hidden = !(fits && wanted.every((word) => words.get(card).includes(word)));
    n += !card.hidden;
  }
  list.append(...[...given].sort(orders[by("order").value]));
  by("count").textContent = `${n} of ${given.length}${chosen ? `, ${chosen.split(SEPARATOR).at(-1)} and below` : ""}`;
}
by("controls").hidden = false;
const roots = grow(given.filter((card) => ways.get(card).length), 0);
if (roots.length) {
  by("tree").append(...roots.map((node) => item(node, 1)));
  by("tree").querySelector("li").tabIndex = 0;
  by("tree").addEventListener("keydown", move);
  by("tree").addEventListener("click", (event) => {
    const entry = event.target.closest("li");
    if (entry) { focusOn(entry); choose(entry); }
  });
  by("ways").hidden = false;
}
by("controls").addEventListener("input", show);
by("controls").addEventListener("submit", (event) => event.preventDefault());
show();
