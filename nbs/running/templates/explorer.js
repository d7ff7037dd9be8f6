// The explorer: the hierarchy as columns of blocks that open, and where a method put the unseen classes. Needs d3.
// What it shows stands in #explorer-data, as chip.running.explorer.explorer_data gives it. Text goes in as text, never as HTML.
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("explorer-data").textContent);
  const $ = name => document.getElementById(`explorer-${name}`);
  const CLASS = 0, PARENT = 1, TOP = 2, ALL = 3;
  const KINDS = {right: ["✓", "right"], wrong: ["✗", "wrong"], open: ["?", "not judged"]};
  const MOST = 60, FEW = 12;                                            // names in a list, and in a row
  const COLUMNS = {3: [0, .42, .77, 1], 2: [0, .44, 1], 1: [0, 1]};     // left edges, by how many levels are shown
  const NARROW = {...COLUMNS, 3: [0, .52, .78, 1]};                     // likewise, on a phone
  const THIN = 14, LINE = 16, MARKS = 4;                                       // px: below the first a block has no room for text; marks beside it

  // ---- small helpers ----

  const plural = (n, what) => `${n} ${n === 1 ? what : what + (what.endsWith("s") ? "es" : "s")}`;
  const kindOf = right => right === null ? "open" : right ? "right" : "wrong";

  function el(tag, attributes, ...children) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) {
      if (name === "click") node.addEventListener("click", value);
      else if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value);
    }
    node.append(...children.flat(3).filter(child => child !== null && child !== undefined && child !== false));
    return node;
  }

  const narrow = () => window.innerWidth < 640;
  const mark = kind => el("b", {class: `mark ${kind}`, "aria-hidden": "true"}, KINDS[kind][0]);
  const photo = (source, alt) => el("img", {src: source, alt, width: 88, height: 88});

  // ---- the tree ----

  const inside = [PARENT, TOP].map(level => {                           // for each cluster of a level, what lies in it
    const found = data.nodes[level].map(() => []);
    data.nodes[level - 1].forEach((node, i) => found[node.up].push(i));
    return found;
  });

  function grown(level, index) {
    const below = level === ALL ? data.nodes[TOP].map((_, i) => i) : level > CLASS ? inside[level - 1][index] : [];
    return {level, index, children: below.map(i => grown(level - 1, i))};
  }

  const everything = d3.hierarchy(grown(ALL, 0));
  everything.each(node => { node.classes = node.leaves().length; });
  // a super-parent of n classes is 4 + √n high, so that one of a single class can still be read and hit
  everything.sum(() => 0);
  for (const top of everything.children) for (const leaf of top.leaves()) leaf.value = (4 + Math.sqrt(top.classes)) / top.classes;
  everything.eachAfter(node => { if (node.children) node.value = d3.sum(node.children, child => child.value); });
  everything.sort((a, b) => b.classes - a.classes || d3.ascending(nameOf(a), nameOf(b)));
  d3.partition()(everything);

  const nodes = new Map(everything.descendants().map(node => [`${node.data.level}:${node.data.index}`, node]));
  const at = (level, index) => nodes.get(`${level}:${index}`);
  everything.children.forEach((top, i) => top.each(node => { node.hue = Math.round(i * 137.5 + 170) % 360; }));

  function about(node) { return node.data.level === ALL ? {} : data.nodes[node.data.level][node.data.index]; }
  function nameOf(node) { return node.data.level === ALL ? `All ${plural(node.classes, "class")}` : about(node).name; }

  // ---- the unseen classes: what would be right, and what was chosen ----

  const hasKin = u => data.unseen[u].kin.length > 0;
  const rightTargets = data.unseen.map(u => {                           // for each unseen class, for each level, the targets that hold its kin
    const ways = u.kin.map(i => at(CLASS, i).ancestors());
    return [CLASS, PARENT, TOP].map(level => new Set(ways.map(way => way[level].data.index)));
  });
  const verdict = (u, level, target) => hasKin(u) ? kindOf(rightTargets[u][level].has(target)) : "open";

  const state = {focus: everything, cell: null, shown: everything, unseen: null,
    method: data.methods.length ? data.methods[0].id : null, seed: null, landed: new Map()};

  function landing(u, level, method = state.method) {                   // what tables/placements.csv says, or null
    const seeds = data.placed[method] || {}, seed = state.seed in seeds ? state.seed : Object.keys(seeds)[0];
    const found = seeds[seed] ? seeds[seed][u][level] : null;
    return found && {target: found[0], kind: kindOf(found[1]), photos: found[2], of: found[3], chance: found[4], nearest: found[5]};
  }

  function countLandings() {                                            // node → [unseen class, right or not]
    state.landed = new Map();
    data.unseen.forEach((_, u) => [CLASS, PARENT, TOP].forEach(level => {
      const found = landing(u, level);
      if (!found) return;
      const node = at(level, found.target);
      if (!state.landed.has(node)) state.landed.set(node, []);
      state.landed.get(node).push({u, kind: found.kind});
    }));
  }

  function tally(landed) {                                              // ✓ 2 ✗ 1
    return Object.keys(KINDS).map(kind => [kind, landed.filter(l => l.kind === kind).length]).filter(([, n]) => n)
      .map(([kind, n]) => [mark(kind), n > 1 ? String(n) : null]);
  }

  const spoken = landed => landed.map(l => `${data.unseen[l.u].name} ${KINDS[l.kind][1]}`).join(", ");

  // ---- the blocks ----

  function layout() {                                                   // place of every block below the focus, in px and %
    const {focus} = state, tall = parseFloat(getComputedStyle($("tree").parentNode).maxHeight), edges = (narrow() ? NARROW : COLUMNS)[focus.height];
    const room = focus.height === 2 ? Math.max(tall, focus.classes * LINE) : focus.height === 1 ? Math.min(tall, Math.max(focus.classes * 112, 120)) : tall;
    $("tree").style.height = `${room}px`;
    const span = focus.x1 - focus.x0;
    return apart(focus.descendants().slice(1).map(node => {
      const column = node.depth - focus.depth - 1;
      return {node, top: (node.x0 - focus.x0) / span * room, height: (node.x1 - node.x0) / span * room,
        left: edges[column] * 100, width: (edges[column + 1] - edges[column]) * 100};
    }), room);
  }

  function apart(cells, room) {                                         // marks beside blocks too thin to hold them: none over another
    const placed = [], wide = $("tree").clientWidth;
    for (const cell of cells) {
      const landed = state.landed.get(cell.node);
      if (cell.height >= THIN || !landed) continue;
      const y = Math.min(Math.max(cell.top + cell.height / 2, 8), room - 8);
      const mine = {left: cell.left, y, right: 3, width: landed.length > MARKS ? 50 : 8 + 9 * landed.length};
      const near = placed.filter(other => other.left === mine.left && Math.abs(other.y - mine.y) < 15).sort((a, b) => a.right - b.right);
      for (const other of near) if (mine.right < other.right + other.width && other.right < mine.right + mine.width) mine.right = other.right + other.width + 2;
      if (mine.right + mine.width > cell.width / 100 * wide) continue;
      placed.push(mine);
      [cell.right, cell.middle] = [mine.right, mine.y - cell.top];
    }
    return cells;
  }

  function label(node) {
    const {level} = node.data, landed = state.landed.get(node) || [], cover = about(node).cover;
    const size = level > CLASS ? `, ${plural(node.classes, "class")}` : "";
    return `${nameOf(node)}, ${data.levels[level]}${size}${cover ? `, the name covers ${cover}` : ""}${landed.length ? `; placed here: ${spoken(landed)}` : ""}`;
  }

  function marksIn(cell) {                                              // the unseen classes in a block, by name where there is room
    const {node, height} = cell;
    let landed = state.landed.get(node) || [];
    if (state.unseen !== null) landed = landed.filter(l => l.u === state.unseen);
    if (!landed.length) return null;
    const named = l => el("span", {class: "pill"}, mark(l.kind), narrow() && height >= THIN ? null : el("span", {class: "who"}, data.unseen[l.u].name));
    if (height < THIN && state.unseen === null) return cell.right && el("span", {class: "tick", style: `right:${cell.right}px;top:${cell.middle}px`}, landed.length > MARKS ? tally(landed) : landed.map(l => mark(l.kind)));
    if (height < THIN) return el("span", {class: "flag"}, landed.map(named));
    const room = node.data.level === TOP ? 1 : node.data.level === CLASS && state.focus.height === 3 ? 0 : Math.floor(height / 22);
    if (state.unseen !== null || (landed.length <= room && !narrow())) return el("span", {class: "stack"}, landed.map(named));
    return el("span", {class: "stack"}, el("span", {class: "pill"}, tally(landed)));
  }

  function fill(cell) {                                                 // the inside of a block
    const {node, height} = cell, {level} = node.data, pictures = level === CLASS ? data.pictures[about(node).key] : null, marks = marksIn(cell);
    if (height < THIN) return marks ? [marks] : [];
    const picture = pictures && height >= 22 && state.focus.height < 3 ? el("img", {src: pictures[0], alt: "", style: `--side:${Math.min(height - 6, 88)}px`}) : null;
    const cover = height >= 34 && about(node).cover ? el("span", {class: "cover"}, about(node).cover) : null;
    const lines = Math.max(1, Math.floor((height - (cover ? 15 : 0)) / (level === TOP ? 18 : LINE)));
    return [el("span", {class: "in"}, picture, el("span", {class: "line"}, el("span", {class: "text", style: `--lines:${lines}`}, nameOf(node)), cover), marks)];
  }

  function classOf(cell) {
    const {node, height} = cell, {level, index} = node.data, u = state.unseen, found = u === null ? null : landing(u, level);
    return ["cell", `level${level}`, state.focus.height === 1 ? "large" : "", node.parent.children.indexOf(node) % 2 ? "odd" : "", height < THIN ? "thin" : "",
      u !== null && rightTargets[u][level].has(index) ? "kin" : "", found && found.target === index ? `pin ${found.kind}` : ""].filter(Boolean).join(" ");
  }

  function draw() {
    const cells = layout();
    if (!cells.some(c => c.node === state.cell)) state.cell = cells.length ? cells[0].node : null;
    const bound = d3.select($("tree")).selectAll(".cell").data(cells, c => `${c.node.data.level}:${c.node.data.index}`);
    bound.exit().remove();
    const entered = bound.enter().append("div").attr("role", "treeitem")
      .on("click", c => open(c.node)).on("keydown", c => walk(d3.event, c.node));
    entered.merge(bound).order()
      .attr("class", classOf)
      .attr("style", c => `--hue:${c.node.hue};top:${c.top.toFixed(2)}px;height:${c.height.toFixed(2)}px;left:${c.left}%;width:${c.width}%`)
      .attr("title", c => c.height < 30 ? nameOf(c.node) : null)
      .attr("aria-label", c => label(c.node)).attr("aria-level", c => c.node.depth - state.focus.depth)
      .attr("aria-setsize", c => c.node.parent.children.length).attr("aria-posinset", c => c.node.parent.children.indexOf(c.node) + 1)
      .attr("aria-expanded", c => c.node.children ? "true" : null)
      .attr("aria-selected", c => String(c.node === state.shown)).attr("tabindex", c => c.node === state.cell ? 0 : -1)
      .each(function (c) { this.replaceChildren(...fill(c)); });
    drawPath();
    drawUnseen();
    drawAbout();
  }

  const cellOf = node => d3.select($("tree")).selectAll(".cell").filter(c => c.node === node).node();

  // ---- walking ----

  function zoom(node, cell, shown) {                                    // the blocks below a node; `cell` can be reached by keyboard
    const changed = state.focus !== node;
    state.focus = node;
    state.cell = cell || node.children[0];
    state.shown = shown || node;
    if (changed) {
      $("tree").parentNode.scrollTop = 0;
      $("status").textContent = `${nameOf(node)}: ${plural(node.children.length, data.levels[node.children[0].data.level])} shown`;
    }
    draw();
  }

  function open(node, keyboard) {                                       // into a cluster; a class is shown among its siblings
    const hadFocus = keyboard || $("tree").contains(document.activeElement);
    const tight = cellHeight(node) < THIN;
    if (node.children) zoom(node, null, node);
    else zoom(tight || keyboard ? node.parent : state.focus, node, node);
    if (hadFocus && state.cell) cellOf(state.cell).focus();
  }

  function out() {
    const {focus} = state;
    if (focus.parent) zoom(focus.parent, focus, focus);
  }

  function cellHeight(node) {
    const cell = cellOf(node);
    return cell ? cell.getBoundingClientRect().height : 0;
  }

  function go(node) {                                                   // wherever it is
    if (node.children && node !== everything) zoom(node.parent, node, node);
    else zoom(node === everything ? node : node.parent, node === everything ? null : node, node);
    if (node !== everything) cellOf(node).focus();
  }

  function step(node) {                                                 // the keyboard's next block; too thin to read, and its surroundings open
    state.shown = node;
    state.cell = node;
    if (cellHeight(node) < THIN && node.parent !== state.focus) state.focus = node.parent;
    draw();
    cellOf(node).focus();
  }

  function walk(event, node) {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const row = state.focus.descendants().filter(other => other.depth === node.depth), i = row.indexOf(node);
    const keys = {
      ArrowDown: () => row[i + 1] && step(row[i + 1]), ArrowUp: () => row[i - 1] && step(row[i - 1]),
      Home: () => step(row[0]), End: () => step(row[row.length - 1]),
      ArrowRight: () => node.children && step(node.children[0]),
      ArrowLeft: () => { if (node.parent !== state.focus) step(node.parent); else if (node.parent !== everything) { out(); cellOf(state.cell).focus(); } },
      Enter: () => open(node, true), " ": () => open(node, true),
      Escape: () => { if (state.focus !== everything) { out(); cellOf(state.cell).focus(); } else if (state.unseen !== null) pick(null); },
    };
    if (!keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
  }

  function drawPath() {
    const way = state.focus.ancestors().reverse();
    $("path").replaceChildren(
      el("button", {type: "button", class: "out", disabled: way.length < 2 ? "" : null, "aria-label": "Zoom out", click: out}, "↰ out"),
      ...way.flatMap((node, i) => [i ? el("span", {"aria-hidden": "true"}, "›") : null,
        el("button", {type: "button", disabled: node === state.focus ? "" : null, "aria-current": node === state.focus ? "location" : null, click: () => zoom(node)}, nameOf(node))]).filter(Boolean));
  }

  // ---- the unseen classes ----

  function pick(u) {                                                    // shows one unseen class in the whole tree; null: none
    state.unseen = u;
    if (u === null) { draw(); return; }
    const changed = state.focus !== everything;
    state.focus = everything;
    state.shown = null;
    if (changed) $("tree").parentNode.scrollTop = 0;
    $("status").textContent = `${data.unseen[u].name}: ${[TOP, PARENT, CLASS].map(level => landing(u, level)).map((found, i) => found ? `${data.levels[2 - i]} ${KINDS[found.kind][1]}` : "").filter(Boolean).join(", ")}`;
    draw();
  }

  function drawUnseen() {
    if (!data.unseen.length) return;
    const marks = u => [TOP, PARENT, CLASS].map(level => landing(u, level)).map(found => found ? mark(found.kind) : null);
    const said = u => [TOP, PARENT, CLASS].map(level => [level, landing(u, level)]).filter(([, found]) => found).map(([level, found]) => `${data.levels[level]} ${KINDS[found.kind][1]}`).join(", ");
    const bar = $("unseen"), held = [...bar.querySelectorAll("button")].indexOf(document.activeElement);
    bar.replaceChildren(...data.unseen.map((one, u) => el("button", {type: "button", "aria-pressed": String(state.unseen === u), "aria-label": `${one.name}: ${said(u)}`,
        click: () => pick(state.unseen === u && !state.shown ? null : u)}, one.name, el("span", {class: "marks"}, marks(u)))));
    if (held >= 0) bar.querySelectorAll("button")[held].focus({preventScroll: true});
  }

  // ---- what is selected ----

  const goTo = (node, text) => el("button", {type: "button", class: "go", click: () => go(node)}, text || nameOf(node));
  const toUnseen = l => el("li", {}, mark(l.kind), " ", el("button", {type: "button", class: "go", "aria-label": `${data.unseen[l.u].name}: ${KINDS[l.kind][1]}`, click: () => show(l.u)}, data.unseen[l.u].name));
  const listed = (items, make, most = MOST) => el("ul", {class: most === FEW ? "row" : null}, items.slice(0, most).map(make), items.length > most ? el("li", {}, `and ${items.length - most} more`) : null);

  function show(u) {
    pick(u);
    $("about").focus({preventScroll: true});
    $("about").scrollIntoView({block: "nearest"});
  }

  function nearestTable(u, level, found) {
    const rows = found.nearest.length ? found.nearest : [[found.target, null]];
    return el("table", {}, el("thead", {class: "hidden"}, el("tr", {}, ["right", data.levels[level], "score"].map(text => el("th", {scope: "col"}, text)))),
      el("tbody", {}, rows.map(([target, cosine]) => {
        const kind = target === found.target ? found.kind : verdict(u, level, target);
        return el("tr", {class: target === found.target ? "chosen" : null},
          el("td", {}, mark(kind), el("span", {class: "hidden"}, `${KINDS[kind][1]}${target === found.target ? ", chosen" : ""}`)),
          el("td", {}, goTo(at(level, target))), el("td", {class: "number"}, cosine === null ? "" : cosine.toFixed(3)));
      })));
  }

  function levelCard(u, level) {
    const found = landing(u, level);
    if (!found) return null;
    const said = [found.photos === null ? null : `${found.photos} of ${found.of} single photos right`, found.chance === null ? null : `a blind choice: ${(100 * found.chance).toFixed(0)} %`].filter(Boolean).join("; ");
    return [el("h4", {}, `${data.levels[level][0].toUpperCase()}${data.levels[level].slice(1)}: ${KINDS[found.kind][1]}${said ? ` (${said})` : ""}`), nearestTable(u, level, found)];
  }

  function methodsTable(u) {
    if (data.methods.length < 2) return null;
    const levels = [TOP, PARENT, CLASS];
    return [el("h4", {}, "By every method"), el("table", {class: "methods"},
      el("thead", {}, el("tr", {}, el("th", {scope: "col"}, "method"), levels.map(level => el("th", {scope: "col"}, data.levels[level])))),
      el("tbody", {}, data.methods.filter(method => !method.other || method.id === state.method).map(method => el("tr", {class: method.id === state.method ? "chosen" : null},
        el("th", {scope: "row"}, el("button", {type: "button", class: "go", title: method.label, click: () => setMethod(method.id)}, method.id)),
        levels.map(level => {
          const found = landing(u, level, method.id);
          return el("td", {}, found ? [mark(found.kind), el("span", {class: "hidden"}, KINDS[found.kind][1])] : null);
        })))))];
  }

  function unseenCard(u) {
    const one = data.unseen[u], photos = data.pictures[one.slug] || [];
    const alternatives = [TOP, PARENT, CLASS].some(level => (landing(u, level) || {nearest: []}).nearest.length);
    return [el("h3", {}, one.name), el("p", {class: "kind"}, "unseen class"),
      photos.length ? el("div", {class: "photos"}, photos.map((source, i) => photo(source, `${one.name}, photo ${i + 1}`))) : null,
      hasKin(u) ? [el("h4", {}, "Nearest kin among the seen classes"), listed(one.kin, i => el("li", {}, goTo(at(CLASS, i))), FEW)] : el("p", {}, "It has no place in the tree of kinship, so no landing can be judged."),
      [TOP, PARENT, CLASS].map(level => levelCard(u, level)),
      el("p", {class: "note"}, alternatives ? "Nearest first, with the method's own score (a cosine, or a probability); the chosen one stands on the shaded line." : "No alternatives are kept here for this method and seed."), methodsTable(u)];
  }

  function nodeCard(node) {
    const {level} = node.data, cover = about(node).cover, children = node.children || [], landed = state.landed.get(node) || [];
    const missed = level === ALL ? [] : data.unseen.map((_, u) => u).filter(u => rightTargets[u][level].has(node.data.index) && !landed.some(l => l.u === u));
    const held = children.length && children[0].data.level === CLASS ? children : [];
    const pictured = level === CLASS ? [node] : (held.length ? held : node.leaves().filter((_, i, all) => i % Math.ceil(all.length / 9) === 0)).filter(leaf => data.pictures[about(leaf).key]).slice(0, 12);
    const photos = pictured.filter(leaf => data.pictures[about(leaf).key]);
    const kind = level === ALL ? `${plural(children.length, "super-parent")}, ${plural(d3.sum(children, top => top.children.length), "parent")}` : [data.levels[level], level > CLASS ? plural(node.classes, "class") : null, cover ? `the name covers ${cover}` : null].filter(Boolean).join(" · ");
    return [el("h3", {}, about(node).whole || nameOf(node)), el("p", {class: "kind"}, kind),
      level < TOP ? el("p", {class: "kind"}, "in ", node.ancestors().slice(1, -1).map((up, i) => [i ? ", in " : null, goTo(up)])) : null,
      photos.length ? el("div", {class: "photos"}, photos.map(leaf => level === CLASS ? photo(data.pictures[about(leaf).key][0], nameOf(leaf))
        : el("button", {type: "button", click: () => go(leaf)}, photo(data.pictures[about(leaf).key][0], ""), el("span", {}, nameOf(leaf))))) : null,
      landed.length ? [el("h4", {}, "Unseen classes placed here"), listed(landed, toUnseen)] : null,
      missed.length && state.method ? [el("h4", {}, "Their kin are here, but they were placed elsewhere"), listed(missed, u => toUnseen({u, kind: (landing(u, level) || {kind: "open"}).kind}))] : null,
      level === ALL && data.unseen.length ? el("p", {}, "Choose an unseen class above to see where it landed, where it would have been right, and what came next.") : null,
      children.length && !(held.length && photos.length === held.length) ? [el("h4", {}, held.length ? "Classes" : `${data.levels[level - 1][0].toUpperCase()}${data.levels[level - 1].slice(1)}s`), listed(children, child => el("li", {}, goTo(child)))] : null];
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

  function slips(a, b) {                                                // edits and swaps of neighbours between two words
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

  function distance(query, name) {                                      // 0 the name itself, Infinity nothing like it
    if (name === query) return 0;
    if (name.startsWith(query)) return 1;
    if (` ${name}`.includes(` ${query}`)) return 2;
    if (name.includes(query)) return 3;
    const allowed = query.length < 4 ? 0 : query.length < 8 ? 1.5 : 2.5;
    const words = name.split(" "), tries = [name, name.slice(0, query.length), ...words, ...words.map(word => word.slice(0, query.length))];
    const least = d3.min(tries.filter(one => Math.abs(one.length - query.length) <= allowed), one => slips(query, one));
    return least <= allowed ? 3 + least : Infinity;
  }

  const names = [...data.unseen.map((one, u) => ({name: one.name, kind: "unseen class", go: () => show(u)})),
    ...[CLASS, PARENT, TOP].flatMap(level => data.nodes[level].map((node, i) => ({name: node.name, kind: data.levels[level], go: () => go(at(level, i))})))]
    .map((one, i) => ({...one, plain: plain(one.name), i}));

  function search(text) {
    const query = plain(text);
    if (!query) return [];
    return names.map(one => ({...one, far: distance(query, one.plain)})).filter(one => one.far < Infinity)
      .sort((a, b) => a.far - b.far || a.plain.length - b.plain.length || a.i - b.i).slice(0, 8);
  }

  const box = {found: [], active: 0};

  function drawFound() {
    const input = $("find"), list = $("found"), asked = plain(input.value) !== "";
    list.hidden = !asked;
    input.setAttribute("aria-expanded", String(asked && box.found.length > 0));
    if (box.found.length && asked) input.setAttribute("aria-activedescendant", `explorer-option-${box.active}`); else input.removeAttribute("aria-activedescendant");
    list.replaceChildren(...(box.found.length ? box.found.map((one, i) => {
      const option = el("li", {id: `explorer-option-${i}`, role: "option", "aria-selected": String(i === box.active), click: () => choose(i)}, el("span", {}, one.name), el("small", {}, one.kind));
      option.addEventListener("mousedown", event => event.preventDefault());
      return option;
    }) : [el("li", {class: "none", role: "option", "aria-disabled": "true"}, "no animal of this run is called anything like it")]));
  }

  function choose(i) {
    const one = box.found[i];
    if (!one) return;
    $("find").value = one.name;
    closeFound();
    one.go();
  }

  function closeFound() {
    $("found").hidden = true;
    $("find").setAttribute("aria-expanded", "false");
    $("find").removeAttribute("aria-activedescendant");
  }

  function searchKeys(event) {
    const n = box.found.length;
    if ((event.key === "ArrowDown" || event.key === "ArrowUp") && n) box.active = (box.active + (event.key === "ArrowDown" ? 1 : n - 1)) % n;
    else if (event.key === "Enter") { event.preventDefault(); choose(box.active); return; }
    else if (event.key === "Escape") { event.preventDefault(); $("find").value = ""; closeFound(); return; }
    else return;
    event.preventDefault();
    drawFound();
  }

  // ---- beginning ----

  function setMethod(id) {
    state.method = id;
    $("method").value = id;
    setSeeds();
    countLandings();
    draw();
  }

  function setSeeds() {
    const seeds = Object.keys(data.placed[state.method] || {});
    if (!seeds.includes(state.seed)) state.seed = seeds[0] || null;
    $("seed").replaceChildren(...seeds.map(seed => el("option", {value: seed}, seed)));
    $("seed").value = state.seed;
    $("choose-seed").hidden = seeds.length < 2;
  }

  const asOption = method => el("option", {value: method.id}, method.label === method.id ? method.id : `${method.id} (${method.label.replace(`${method.id}: `, "")})`);
  const others = data.methods.filter(method => method.other).map(asOption);
  $("method").replaceChildren(...data.methods.filter(method => !method.other).map(asOption), ...(others.length ? [el("optgroup", {label: "by other rules of inference"}, others)] : []));
  $("method").addEventListener("change", event => setMethod(event.target.value));
  $("seed").addEventListener("change", event => { state.seed = event.target.value; countLandings(); draw(); });
  $("find").addEventListener("input", () => { box.found = search($("find").value); box.active = 0; drawFound(); });
  $("find").addEventListener("keydown", searchKeys);
  $("find").addEventListener("blur", closeFound);
  document.addEventListener("keydown", event => {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement.tagName)) return;
    event.preventDefault();
    $("find").focus();
    $("find").scrollIntoView({block: "center"});
  });
  for (const part of ["tools", "path", "stage", "legend"]) $(part).hidden = false;
  $("unseen-part").hidden = !data.unseen.length;
  $("choose-method").hidden = data.methods.length < 2;
  setSeeds();
  countLandings();
  draw();
  let width = window.innerWidth;
  window.addEventListener("resize", () => { if (window.innerWidth !== width) { width = window.innerWidth; draw(); } });
})();
