// The explorer: the hierarchy as columns of blocks that open, and where a method put the unseen classes. Needs d3.
// What it shows stands in #explorer-data, as chip.running.explorer.explorer_data gives it. Text goes in as text, never as HTML.
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("explorer-data").textContent);
  const $ = name => document.getElementById(`explorer-${name}`);
  const CLASS = 0, PARENT = 1, TOP = 2, ALL = 3, DOWN = [TOP, PARENT, CLASS];
  const KINDS = {right: ["✓", "right"], wrong: ["✗", "wrong"], open: ["?", "not judged"]};
  const MOST = 60, FEW = 12; // names in a list, and in a row
  const COLUMNS = {3: [0, .42, .77, 1], 2: [0, .44, 1], 1: [0, 1]}; // left edges, by how many levels are shown
  const NARROW = {...COLUMNS, 3: [0, .52, .78, 1]}; // likewise, on a phone
  const THIN = 14, LINE = 16, FINGER = 24; // px: below the first a block has no room for text, below the last none for a finger

  // ---- small helpers ----

  const plural = (n, what) => `${n} ${n === 1 ? what : what + (what.endsWith("s") ? "es" : "s")}`;
  const capital = text => text[0].toUpperCase() + text.slice(1);
  const narrow = () => window.innerWidth < 640;

  function el(tag, attributes, ...children) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name === "click") node.addEventListener("click", value);
      else if (value !== null && value !== false) node.setAttribute(name, value);
    }
    node.append(...children.flat(3).filter(child => child !== null && child !== false));
    return node;
  }

  const button = (text, attributes, ...more) => el("button", {type: "button", ...attributes}, text, ...more);
  const mark = kind => el("b", {class: `mark ${kind}`, "aria-hidden": "true"}, KINDS[kind][0]);
  const photo = (source, alt) => el("img", {src: source, alt, width: 88, height: 88});
  const picturesOf = node => data.pictures[node.data.key] || [];

  // ---- the tree ----

  const everything = d3.stratify().parentId(one => one.above)([{id: "all", level: ALL},
    ...DOWN.flatMap(level => data.nodes[level].map((node, i) => (
      {...node, level, id: `${level}:${i}`, above: level === TOP ? "all" : `${level + 1}:${node.up}`})))]);
  everything.each(node => { node.classes = node.leaves().length; });
  everything.data.name = `All ${plural(everything.classes, "class")}`;
  // a super-parent of n classes is 4 + √n high, so that one of a single class can still be read and hit
  everything.sum(() => 0);
  for (const top of everything.children) for (const leaf of top.leaves()) leaf.value = (4 + Math.sqrt(top.classes)) / top.classes;
  everything.eachAfter(node => { if (node.children) node.value = d3.sum(node.children, child => child.value); });
  everything.sort((a, b) => b.classes - a.classes || d3.ascending(a.data.name, b.data.name));
  d3.partition()(everything);
  everything.children.forEach((top, i) => top.each(node => { node.hue = Math.round(i * 137.5 + 170) % 360; }));

  const nodes = new Map(everything.descendants().map(node => [node.id, node]));
  const at = (level, index) => nodes.get(`${level}:${index}`);
  const nameOf = node => node.data.name;

  // ---- the unseen classes: what would be right, and what was chosen ----

  const rightNodes = data.unseen.map(one => new Set(one.kin.flatMap(i => at(CLASS, i).ancestors()))); // those that hold its kin
  const kindOf = right => right === null ? "open" : right ? "right" : "wrong";
  const verdict = (u, node) => kindOf(data.unseen[u].kin.length ? rightNodes[u].has(node) : null);

  const state = {focus: everything, cell: null, shown: everything, unseen: null,
    method: data.methods.length ? data.methods[0].id : null, seed: null, landed: new Map()};

  function landing(u, level, method = state.method) { // what tables/placements.csv says, or null
    const seeds = data.placed[method] || {}, seed = state.seed in seeds ? state.seed : Object.keys(seeds)[0];
    const row = seeds[seed] && seeds[seed][u][level];
    if (!row) return null;
    const [target, right, photos, of, chance, nearest, depth] = row;
    return {u, node: at(level, target), kind: kindOf(right), photos, of, chance, depth, nearest: nearest.map(([i, score]) => [at(level, i), score])};
  }

  const shared = ({u, node, depth}) => { // how near what was chosen is
    const {way} = data.unseen[u], name = way && way[depth];
    return name ? `${node.data.level === CLASS ? "both are" : "it and the whole group are"} ${name}: depth ${depth} of ${way.length - 1}` : "";
  };
  const landings = u => DOWN.map(level => landing(u, level)).filter(Boolean);
  const spoken = u => landings(u).map(found => `${data.levels[found.node.data.level]} ${KINDS[found.kind][1]}`).join(", ");
  const landedIn = node => state.landed.get(node) || [];

  function tally(landed) { // ✓ 2 ✗ 1
    return Object.keys(KINDS).map(kind => [kind, landed.filter(l => l.kind === kind).length]).filter(([, n]) => n)
      .map(([kind, n]) => [mark(kind), n > 1 ? String(n) : null]);
  }

  // ---- the blocks ----

  function layout() { // place of every block below the focus, in px and %
    const {focus} = state, edges = (narrow() ? NARROW : COLUMNS)[focus.height];
    const tall = parseFloat(getComputedStyle($("tree").parentNode).maxHeight);
    const room = [0, Math.min(tall, Math.max(focus.classes * 112, 120)), Math.max(tall, focus.classes * FINGER), tall][focus.height];
    const scale = room / (focus.x1 - focus.x0);
    $("tree").style.height = `${room}px`;
    return focus.descendants().slice(1).map(node => {
      const column = node.depth - focus.depth - 1;
      return {node, top: (node.x0 - focus.x0) * scale, height: (node.x1 - node.x0) * scale,
        left: edges[column] * 100, width: (edges[column + 1] - edges[column]) * 100};
    });
  }

  function label(node) {
    const {level, cover} = node.data, placed = landedIn(node).map(l => `${data.unseen[l.u].name} ${KINDS[l.kind][1]}`);
    return [`${nameOf(node)}, ${data.levels[level]}`, level > CLASS ? `, ${plural(node.classes, "class")}` : "",
      cover ? `, the name covers ${cover}` : "", placed.length ? `; placed here: ${placed.join(", ")}` : ""].join("");
  }

  function marksIn({node, height}) { // the unseen classes in a block, by name where there is room
    const one = state.unseen !== null, thin = height < THIN;
    const landed = landedIn(node).filter(l => !one || l.u === state.unseen);
    if (!landed.length || (thin && !one)) return null;
    const named = l => el("span", {class: "pill"}, mark(l.kind), narrow() && !thin ? null : el("span", {class: "who"}, data.unseen[l.u].name));
    if (thin) return el("span", {class: "flag", "aria-hidden": "true"}, landed.map(named));
    const overview = state.focus.height === 3 && node.data.level === CLASS;
    const room = node.data.level === TOP ? 1 : overview ? 0 : Math.floor(height / 22);
    const byName = one || (landed.length <= room && !narrow());
    return el("span", {class: "stack"}, byName ? landed.map(named) : el("span", {class: "pill"}, tally(landed)));
  }

  function fill(cell) { // the inside of a block
    const {node, height} = cell, {level, cover} = node.data, [picture] = picturesOf(node), marks = marksIn(cell);
    if (height < THIN) return marks ? [marks] : [];
    const shown = picture && height >= 22 && state.focus.height < 3, covered = cover && height >= 34;
    const lines = Math.max(1, Math.floor((height - (covered ? 15 : 0)) / (level === TOP ? 18 : LINE)));
    return [el("span", {class: "in", "aria-hidden": "true"}, shown ? el("img", {src: picture, alt: "", style: `--side:${Math.min(height - 6, 88)}px`}) : null,
      el("span", {class: "line"}, el("span", {class: "text", style: `--lines:${lines}`}, nameOf(node)), covered ? el("span", {class: "cover"}, cover) : null),
      marks)];
  }

  function classOf({node, height}) {
    const u = state.unseen, {level} = node.data, found = u === null ? null : landing(u, level);
    return ["cell", `level${level}`, state.focus.height === 1 && "large", node.parent.children.indexOf(node) % 2 && "odd", height < THIN && "thin",
      u !== null && rightNodes[u].has(node) && "kin", found && found.node === node && `pin ${found.kind}`].filter(Boolean).join(" ");
  }

  function draw() {
    const cells = layout();
    if (!cells.some(c => c.node === state.cell)) state.cell = cells[0].node;
    const bound = d3.select($("tree")).selectAll(".cell").data(cells, c => c.node.id);
    bound.exit().remove();
    const entered = bound.enter().append("div").attr("role", "treeitem")
      .on("click", c => open(d3.event.pointerType === "touch" ? roomy(c.node) : c.node)).on("keydown", c => walk(d3.event, c.node));
    entered.merge(bound).order()
      .attr("class", classOf)
      .attr("style", c => `--hue:${c.node.hue};top:${c.top.toFixed(2)}px;height:${c.height.toFixed(2)}px;left:${c.left}%;width:${c.width}%`)
      .attr("title", c => c.height < 30 ? nameOf(c.node) : null)
      .attr("data-label", c => label(c.node)).attr("aria-level", c => c.node.depth - state.focus.depth)
      .attr("aria-setsize", c => c.node.parent.children.length).attr("aria-posinset", c => c.node.parent.children.indexOf(c.node) + 1)
      .attr("aria-expanded", c => c.node.children ? "true" : null)
      .attr("aria-selected", c => String(c.node === state.shown)).attr("tabindex", c => c.node === state.cell ? 0 : -1)
      .each(function (c) { this.replaceChildren(said(label(c.node)), ...fill(c)); });
    drawPath();
    drawUnseen();
    drawAbout();
  }

  // ---- walking ----

  const cellOf = node => d3.select($("tree")).selectAll(".cell").filter(c => c.node === node).node();
  const heightOf = node => cellOf(node).getBoundingClientRect().height;
  const isThin = node => heightOf(node) < THIN;
  const roomy = node => heightOf(node) < FINGER && node.parent !== state.focus ? roomy(node.parent) : node; // for a finger

  function zoom(node, cell = node.children[0], shown = node) { // the blocks below a node; `cell` can be reached by keyboard
    const changed = state.focus !== node;
    Object.assign(state, {focus: node, cell, shown});
    if (changed) {
      $("tree").parentNode.scrollTop = 0;
      $("status").textContent = `${nameOf(node)}: ${plural(node.children.length, data.levels[node.children[0].data.level])} shown`;
    }
    draw();
  }

  function open(node, keyboard) { // into a cluster; a class is shown among its siblings
    const hadFocus = keyboard || $("tree").contains(document.activeElement);
    if (node.children) zoom(node);
    else zoom(keyboard || isThin(node) ? node.parent : state.focus, node, node);
    if (hadFocus) cellOf(state.cell).focus();
  }

  function out() {
    zoom(state.focus.parent, state.focus, state.focus);
  }

  function go(node) { // wherever it is
    if (node === everything) { zoom(node); return; }
    zoom(node.parent, node, node);
    cellOf(node).focus();
  }

  function step(node) { // the keyboard's next block; too thin to read, and its surroundings open
    state.shown = state.cell = node;
    if (isThin(node) && node.parent !== state.focus) state.focus = node.parent;
    draw();
    cellOf(node).focus();
  }

  function stepOut() {
    out();
    cellOf(state.cell).focus();
  }

  function walk(event, node) {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const row = state.focus.descendants().filter(other => other.depth === node.depth), i = row.indexOf(node), {parent} = node;
    const keys = {
      ArrowDown: () => row[i + 1] && step(row[i + 1]), ArrowUp: () => row[i - 1] && step(row[i - 1]),
      Home: () => step(row[0]), End: () => step(row[row.length - 1]),
      ArrowRight: () => node.children && step(node.children[0]),
      ArrowLeft: () => parent !== state.focus ? step(parent) : parent !== everything && stepOut(),
      Enter: () => open(node, true), " ": () => open(node, true),
      Escape: () => state.focus !== everything ? stepOut() : state.unseen !== null && pick(null),
    };
    if (!keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
  }

  function drawPath() {
    const way = state.focus.ancestors().reverse(), outside = state.focus === everything;
    $("path").replaceChildren(button("↰ out", {class: "out", disabled: outside && "", "aria-label": "Zoom out", click: out}),
      ...way.flatMap((node, i) => {
        const here = node === state.focus;
        const place = button(nameOf(node), {disabled: here && "", "aria-current": here && "location", click: () => zoom(node)});
        return i ? [el("span", {"aria-hidden": "true"}, "›"), place] : [place];
      }));
  }

  // ---- the unseen classes ----

  function pick(u) { // shows one unseen class in the whole tree; null: none
    state.unseen = u;
    if (u !== null) {
      if (state.focus !== everything) $("tree").parentNode.scrollTop = 0;
      Object.assign(state, {focus: everything, shown: null});
      $("status").textContent = `${data.unseen[u].name}: ${spoken(u)}`;
    }
    draw();
  }

  function show(u) {
    pick(u);
    $("about").focus({preventScroll: true});
    $("about").scrollIntoView({block: "nearest"});
  }

  function drawUnseen() {
    const bar = $("unseen"), held = [...bar.children].indexOf(document.activeElement);
    bar.replaceChildren(...data.unseen.map((one, u) => button(one.name, {"aria-pressed": String(state.unseen === u), "aria-label": `${one.name}: ${spoken(u)}`,
      click: () => pick(state.unseen === u && !state.shown ? null : u)}, el("span", {class: "marks"}, landings(u).map(found => mark(found.kind))))));
    if (held >= 0) bar.children[held].focus({preventScroll: true});
  }

  // Figure 9: what is chosen, beside members of it, its kin first
  function drawCards() {
    const member = (node, kin) => el("li", {class: kin ? "kin" : null}, picturesOf(node).slice(0, 1).map(source => photo(source, "")), nameOf(node));
    const group = found => {
      const leaves = found.node.leaves(), isKin = leaf => rightNodes[found.u].has(leaf);
      const members = [...leaves.filter(isKin), ...leaves.filter(leaf => !isKin(leaf))].slice(0, 3);
      return [el("p", {}, mark(found.kind), ` ${data.levels[found.node.data.level]}, ${KINDS[found.kind][1]}: `, goTo(found.node), el("br", {}), el("small", {}, shared(found))),
        el("ul", {}, members.map(leaf => member(leaf, isKin(leaf))))];
    };
    $("cards").replaceChildren(...data.unseen.slice(0, MOST).map((one, u) => el("div", {class: "card"},
      el("h4", {}, button(one.name, {class: "go", click: () => show(u)})), (data.pictures[one.slug] || []).slice(0, 1).map(source => photo(source, one.name)),
      el("div", {}, landings(u).filter(found => found.node.data.level > CLASS).reverse().map(group)))));
  }

  // ---- what is selected ----

  const goTo = node => button(nameOf(node), {class: "go", click: () => go(node)});
  const toUnseen = l => el("li", {}, mark(l.kind), " ", button(data.unseen[l.u].name,
    {class: "go", "aria-label": `${data.unseen[l.u].name}: ${KINDS[l.kind][1]}`, click: () => show(l.u)}));
  const listed = (items, make, most = MOST) => el("ul", {class: most === FEW && "row"}, items.slice(0, most).map(make),
    items.length > most && el("li", {}, `and ${items.length - most} more`));
  const table = (attributes, heads, hidden, rows) => el("table", attributes,
    el("thead", {class: hidden && "hidden"}, el("tr", {}, heads.map(text => el("th", {scope: "col"}, text)))), el("tbody", {}, rows));
  const said = text => el("span", {class: "hidden"}, text);

  function levelCard(u, found) {
    const level = data.levels[found.node.data.level], rows = found.nearest.length ? found.nearest : [[found.node, null]];
    const told = [found.photos !== null && `${found.photos} of ${found.of} single photos right`,
      found.chance !== null && `a blind choice: ${(100 * found.chance).toFixed(0)} %`].filter(Boolean).join("; ");
    return [el("h4", {}, `${capital(level)}: ${KINDS[found.kind][1]}${told && ` (${told})`}`), el("p", {class: "note"}, shared(found)),
      table({}, ["right", level, "score"], true, rows.map(([node, score]) => {
        const chosen = node === found.node, kind = chosen ? found.kind : verdict(u, node);
        return el("tr", {class: chosen && "chosen"}, el("td", {}, mark(kind), said(`${KINDS[kind][1]}${chosen ? ", chosen" : ""}`)),
          el("td", {}, goTo(node)), el("td", {class: "number"}, score === null ? "" : score.toFixed(3)));
      }))];
  }

  function methodsTable(u) {
    const rows = data.methods.filter(method => !method.other || method.id === state.method).map(method => el("tr", {class: method.id === state.method && "chosen"},
      el("th", {scope: "row"}, button(method.id, {class: "go", title: method.label, click: () => setMethod(method.id)})),
      DOWN.map(level => landing(u, level, method.id)).map(found => el("td", {}, found && [mark(found.kind), said(KINDS[found.kind][1]), found.depth !== null && ` ${found.depth}`]))));
    return [el("h4", {}, "By every method, with the depth of the common ancestor"), table({class: "methods"}, ["method", ...DOWN.map(level => data.levels[level])], false, rows)];
  }

  function unseenCard(u) {
    const one = data.unseen[u], photos = data.pictures[one.slug] || [], found = landings(u);
    return [el("h3", {}, one.name), el("p", {class: "kind"}, "unseen class"),
      photos.length && el("div", {class: "photos"}, photos.map((source, i) => photo(source, `${one.name}, photo ${i + 1}`))),
      one.kin.length ? [el("h4", {}, "Nearest kin among the seen classes"), listed(one.kin, i => el("li", {}, goTo(at(CLASS, i))), FEW)]
        : el("p", {}, "It has no place in the tree of kinship, so no landing can be judged."),
      found.map(one => levelCard(u, one)),
      el("p", {class: "note"}, found.some(one => one.nearest.length)
        ? "Nearest first, with the method's own score (a cosine, or a probability); the chosen one stands on the shaded line."
        : "No alternatives are kept here for this method and seed."),
      data.methods.length > 1 && methodsTable(u)];
  }

  function nodeCard(node) {
    const {level, cover} = node.data, children = node.children || [], landed = landedIn(node), all = node === everything;
    const missed = all || !state.method ? [] : data.unseen.map((_, u) => u).filter(u => rightNodes[u].has(node) && !landed.some(l => l.u === u));
    const leaves = node.leaves(), every = Math.ceil(leaves.length / (node.height > 1 ? 9 : FEW));
    const pictured = leaves.filter((leaf, i) => i % every === 0 && picturesOf(leaf).length);
    const kind = all ? `${plural(children.length, "super-parent")}, ${plural(d3.sum(children, top => top.children.length), "parent")}`
      : [data.levels[level], level > CLASS && plural(node.classes, "class"), cover && `the name covers ${cover}`].filter(Boolean).join(" · ");
    return [el("h3", {}, node.data.whole || nameOf(node)), el("p", {class: "kind"}, kind),
      level < TOP && el("p", {class: "kind"}, "in ", node.ancestors().slice(1, -1).map((up, i) => [i ? ", in " : "", goTo(up)])),
      pictured.length && el("div", {class: "photos"}, pictured.map(leaf => leaf === node ? photo(picturesOf(leaf)[0], nameOf(leaf))
        : button(photo(picturesOf(leaf)[0], ""), {click: () => go(leaf)}, el("span", {}, nameOf(leaf))))),
      landed.length && [el("h4", {}, "Unseen classes placed here"), listed(landed, toUnseen)],
      missed.length && [el("h4", {}, "Their kin are here, but they were placed elsewhere"), listed(missed, u => toUnseen(landing(u, level) || {u, kind: "open"}))],
      all && data.unseen.length && el("p", {}, "Choose an unseen class above to see where it landed, where it would have been right, and what came next."),
      children.length > (level === PARENT && pictured.length) && [el("h4", {}, level === PARENT ? "Classes" : `${capital(data.levels[level - 1])}s`), listed(children, child => el("li", {}, goTo(child)))]];
  }

  function drawAbout() {
    const held = $("about").contains(document.activeElement);
    const parts = state.unseen !== null && !state.shown ? unseenCard(state.unseen) : nodeCard(state.shown || state.focus);
    $("about").replaceChildren(...parts.flat(3).filter(Boolean));
    $("about").scrollTop = 0;
    if (held) $("about").focus({preventScroll: true});
  }

  // ---- searching ----

  const plain = text => text.toLowerCase().normalize("NFD").replace(/[\u0300-\u036f]/g, "").replace(/[^\p{L}\p{N}]+/gu, " ").trim();

  function slips(a, b) { // edits and swaps of neighbours between two words
    let [before, last, row] = [[], [], d3.range(b.length + 1)];
    for (let i = 1; i <= a.length; i++) {
      [before, last, row] = [last, row, [i]];
      for (let j = 1; j <= b.length; j++) {
        row[j] = Math.min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] !== b[j - 1]));
        if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) row[j] = Math.min(row[j], before[j - 2] + 1);
      }
    }
    return row[b.length];
  }

  function distance(query, name) { // 0 the name itself, Infinity nothing like it
    if (name === query) return 0;
    if (name.startsWith(query)) return 1;
    if (name.includes(query)) return ` ${name}`.includes(` ${query}`) ? 2 : 3;
    const allowed = query.length < 4 ? 0 : query.length < 8 ? 1.5 : 2.5;
    const least = d3.min([name, ...name.split(" ")].flatMap(word => [word, word.slice(0, query.length)]), one => slips(query, one));
    return least <= allowed ? 3 + least : Infinity;
  }

  const names = [...data.unseen.map((one, u) => ({name: one.name, kind: "unseen class", go: () => show(u)})),
    ...[...nodes.values()].slice(1).reverse().map(node => ({name: nameOf(node), kind: data.levels[node.data.level], go: () => go(node)}))]
    .map(one => ({...one, plain: plain(one.name)}));
  const box = {found: [], active: 0};

  function drawFound() {
    const input = $("find"), query = plain(input.value), n = box.found.length;
    $("found").hidden = !query;
    input.setAttribute("aria-expanded", String(query !== "" && n > 0));
    if (query && n) input.setAttribute("aria-activedescendant", `explorer-option-${box.active}`);
    else input.removeAttribute("aria-activedescendant");
    $("found").replaceChildren(...box.found.map((one, i) => el("li", {id: `explorer-option-${i}`, role: "option", "aria-selected": String(i === box.active),
      click: () => choose(i)}, el("span", {}, one.name), el("small", {}, one.kind))));
    if (!n) $("found").append(el("li", {class: "none", role: "option", "aria-disabled": "true"}, "no animal of this run is called anything like it"));
  }

  function search(text) {
    const query = plain(text);
    $("find").value = text;
    box.active = 0;
    box.found = !query ? [] : names.map(one => ({...one, far: distance(query, one.plain)})).filter(one => one.far < Infinity)
      .sort((a, b) => a.far - b.far || a.plain.length - b.plain.length).slice(0, 8);
    drawFound();
  }

  function choose(i) {
    const one = box.found[i];
    if (!one) return;
    $("find").value = one.name;
    $("find").blur();
    one.go();
  }

  function searchKeys(event) {
    const n = box.found.length, steps = {ArrowDown: 1, ArrowUp: n - 1};
    if (event.key in steps && n) { box.active = (box.active + steps[event.key]) % n; drawFound(); }
    else if (event.key === "Enter") choose(box.active);
    else if (event.key === "Escape") search("");
    else return;
    event.preventDefault();
  }

  // ---- beginning ----

  function setMethod(id, seed = state.seed) {
    const seeds = Object.keys(data.placed[id] || {});
    Object.assign(state, {method: id, seed: seeds.includes(seed) ? seed : seeds[0], landed: new Map()});
    data.unseen.forEach((_, u) => landings(u).forEach(found => state.landed.set(found.node, [...landedIn(found.node), found])));
    $("method").value = id;
    $("seed").replaceChildren(...seeds.map(one => el("option", {value: one}, one)));
    $("seed").value = state.seed;
    $("choose-seed").hidden = seeds.length < 2;
    draw();
    drawCards();
  }

  const asOption = ({id, label}) => el("option", {value: id}, label === id ? id : `${id} (${label.replace(`${id}: `, "")})`);
  const others = data.methods.filter(method => method.other).map(asOption);
  $("method").append(...data.methods.filter(method => !method.other).map(asOption));
  if (others.length) $("method").append(el("optgroup", {label: "by other rules of inference"}, others));
  $("method").addEventListener("change", event => setMethod(event.target.value));
  $("seed").addEventListener("change", event => setMethod(state.method, event.target.value));
  $("find").addEventListener("input", event => search(event.target.value));
  $("find").addEventListener("keydown", searchKeys);
  $("find").addEventListener("blur", () => {
    $("found").hidden = true;
    $("find").setAttribute("aria-expanded", "false");
  });
  $("found").addEventListener("mousedown", event => event.preventDefault());
  document.addEventListener("keydown", event => {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement.tagName)) return;
    event.preventDefault();
    $("find").focus();
    $("find").scrollIntoView({block: "center"});
  });
  for (const part of ["tools", "path", "stage", "legend"]) $(part).hidden = false;
  for (const part of ["unseen-part", "cards-part"]) $(part).hidden = !data.unseen.length;
  $("choose-method").hidden = data.methods.length < 2;
  setMethod(state.method);
  let width = window.innerWidth;
  window.addEventListener("resize", () => { if (window.innerWidth !== width) { width = window.innerWidth; draw(); } });
})();
