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
function show() {
  const wanted = by("search").value.trim().toLowerCase().split(/\s+/);
  const verdict = by("verdict").value;
  let n = 0;
  for (const card of given) {
    const fits = !verdict || card.dataset.verdict === verdict;
    card.hidden = !(fits && wanted.every((word) => words.get(card).includes(word)));
    n += !card.hidden;
  }
  list.append(...[...given].sort(orders[by("order").value]));
  by("count").textContent = `${n} of ${given.length}`;
}
by("controls").hidden = false;
by("controls").addEventListener("input", show);
by("controls").addEventListener("submit", (event) => event.preventDefault());
show();
