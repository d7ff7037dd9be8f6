// The page: photos go to the worker, their scores come back, and the rest is drawn from the
// scores alone.
// Text goes in as text, never as HTML: a file may be called anything.
import { findWay, growTree, lookAt, promises, stopAt, together } from "./try_decide.js";

const here = new URL("./", import.meta.url);
const by = (id) => document.getElementById(id);
const megabytes = (bytes) => (bytes / 1e6).toFixed(1);
const ofHundred = (share) =>
  share > 0 && share < 0.01
    ? "fewer than 1 of 100"
    : `${Math.min(Math.round(100 * share), share < 1 ? 99 : 100)} of 100`;
const NEAR = 0.02,
  MOST_NEAR = 3; // near misses that are shown

const state = { facts: null, tree: null, photos: [], shown: null, risk: 0.1, together: false };

function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "click") node.addEventListener("click", value);
    else if (name.startsWith("--")) node.style.setProperty(name, value);
    else if (value !== null && value !== false) node.setAttribute(name, value);
  }
  node.append(...children.flat().filter((child) => child !== null));
  return node;
}

// ---- the worker ----

const worker = { live: null, isBroken: false, waiting: new Map(), next: 0 };

function startWorker() {
  // by way of a blob, so that it obeys the policy of this page
  const door = URL.createObjectURL(
    new Blob([`import ${JSON.stringify(new URL("try_worker.js", here).href)};`], {
      type: "text/javascript",
    }),
  );
  worker.live?.terminate();
  worker.isBroken = false;
  worker.live = new Worker(door, { type: "module" });
  worker.live.addEventListener("message", ({ data }) => {
    worker.waiting.get(data.id)?.(data);
    worker.waiting.delete(data.id);
  });
  worker.live.addEventListener("error", (event) => {
    // it is gone: no memory, or its script did not come
    worker.isBroken = true;
    for (const answer of worker.waiting.values())
      answer({ error: "network", detail: event.message || "the worker stopped" });
    worker.waiting.clear();
  });
}

function ask(message, transfer = []) {
  if (worker.isBroken) return Promise.resolve({ error: "network", detail: "the worker stopped" });
  const id = worker.next++;
  return new Promise((resolve) => {
    worker.waiting.set(id, resolve);
    worker.live.postMessage({ id, ...message }, transfer);
  });
}

// ---- loading ----

const TOO_OLD =
  "This browser is too old for me, or WebAssembly is switched off in it. A Firefox, Chrome, Edge or Safari of 2024 or later will do.";

function fail(text, canRetry = true) {
  by("trouble").textContent = text;
  by("trouble").hidden = false;
  by("again").hidden = !canRetry;
  by("loading").hidden = true;
}

async function fetchPart(name, note) {
  const response = await fetch(new URL(name, here));
  if (!response.ok) throw new Error(`${name}: ${response.status} ${response.statusText}`);
  const counter = new TransformStream({
    transform(chunk, control) {
      note(chunk.length);
      control.enqueue(chunk);
    },
  });
  const whole = response.body.pipeThrough(counter).pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(whole).arrayBuffer());
}

async function loadNetwork() {
  const packed = state.facts.files.filter((file) => file.packed);
  const total = packed.reduce((sum, file) => sum + file.bytes, 0);
  let done = 0;
  const note = (bytes) => {
    done += bytes;
    by("progress").value = done / total;
    by("loading-text").textContent =
      done < total
        ? `Fetching what I know: ${megabytes(done)} of ${megabytes(total)} MB`
        : "Waking up …";
  };
  note(0);
  by("loading").hidden = false;
  const [runtime, network] = await Promise.all(
    ["runtime.bin", "network.bin"].map((name) => fetchPart(name, note)),
  );
  startWorker();
  const { error, detail } = await ask({ load: { runtime, network, facts: state.facts } }, [
    runtime.buffer,
    network.buffer,
  ]);
  by("loading").hidden = true;
  if (error) throw new Error(detail);
}

const canKeep = () => isSecureContext && "serviceWorker" in navigator;

// The worker that keeps the page for later; what is fetched after this passes through it.
async function startKeeping() {
  if (!canKeep()) return;
  try {
    await navigator.serviceWorker.register(`try-sw.js?${state.facts.version}`, {
      scope: "try.html",
    });
    const inCharge = new Promise((resolve) =>
      navigator.serviceWorker.addEventListener("controllerchange", resolve, { once: true }),
    );
    const patience = new Promise((resolve) => setTimeout(resolve, 5000));
    const isOurs = () =>
      navigator.serviceWorker.controller?.scriptURL.endsWith(`?${state.facts.version}`);
    if (!isOurs()) await Promise.race([inCharge, patience]);
  } catch {
    // private windows and some settings forbid it; the sentence below says so
  }
}

async function isKept() {
  const cache = await caches.open(`chip-try-${state.facts.version}`);
  const found = await Promise.all(
    state.facts.files.map((file) => cache.match(new URL(file.name, here))),
  );
  return found.every(Boolean);
}

async function sayOffline() {
  const pause = () => new Promise((resolve) => setTimeout(resolve, 500));
  let kept = false;
  for (let i = 0; canKeep() && !kept && i < 40; i++) {
    kept = await isKept().catch(() => false);
    if (!kept) await pause();
  }
  by("offline").textContent = kept
    ? "Ready. I also work without a network now, and after a reload."
    : canKeep()
      ? "Ready. This browser does not let me keep my files, so I need a network each time the page is opened."
      : "Ready. At this address a browser cannot keep the page (that takes https, or localhost), so I need a network each time it is opened.";
}

async function begin() {
  by("trouble").hidden = by("again").hidden = true;
  by("stuck").hidden = true;
  if (
    typeof WebAssembly !== "object" ||
    typeof DecompressionStream !== "function" ||
    typeof OffscreenCanvas !== "function"
  ) {
    fail(TOO_OLD, false);
    return;
  }
  try {
    if (!state.facts) {
      const response = await fetch(new URL("facts.json", here));
      if (!response.ok) throw new Error(`facts.json: ${response.status} ${response.statusText}`);
      state.facts = await response.json();
      state.tree = growTree(state.facts);
      drawExamples();
      await startKeeping();
    }
    await loadNetwork();
    state.ready = true;
    sayOffline();
    if (!state.photos.length) await addExample(state.facts.examples[0]);
    else state.photos.forEach(lookAtPhoto);
  } catch (error) {
    fail(
      navigator.onLine
        ? `I could not get ready: ${error.message}. ${TOO_OLD}`
        : "There is no network, and I have not been here before. Try again with one.",
    );
  }
}

// ---- photos ----

const PROBLEMS = {
  heic: "This is a HEIC photo, as iPhones take them, and this browser cannot open it. Save or send it as JPEG, or take a screenshot of it.",
  tiff: "This is a TIFF or a camera's raw file, which browsers cannot open. Save it as JPEG or PNG.",
  film: "This is a film, or a kind of picture that this browser cannot open. Save a picture of it as JPEG or PNG.",
  jpeg: "This JPEG is damaged: the browser cannot open it.",
  png: "This PNG is damaged: the browser cannot open it.",
  webp: "This WebP is damaged, or the browser cannot open it.",
  unknown: "This is no picture that a browser can open. JPEG, PNG, WebP and GIF work.",
  empty: "This file is empty.",
  memory:
    "This picture is too large for the memory that I have here. Make it smaller and try again.",
  gone: "This file cannot be read any more. Choose it again.",
  network:
    "My network stopped, most likely for lack of memory. Reload the page; smaller photos may help.",
};

function addPhotos(files, isExample = false) {
  if (!files.length) return;
  if (!isExample) removePhotos(state.photos.filter((photo) => photo.isExample));
  const added = [...files].map((file) => ({
    file,
    name: file.name || "pasted picture",
    isExample,
    look: null,
    copy: null,
    problem: null,
  }));
  state.photos.push(...added);
  state.shown = added[0];
  draw();
  if (!isExample) by("answer").scrollIntoView({ block: "start" });
  if (state.ready) added.forEach(lookAtPhoto);
}

async function addExample(example) {
  const response = await fetch(new URL(example.file, here));
  removePhotos(state.photos.filter((photo) => photo.isExample));
  addPhotos([new File([await response.blob()], example.name)], true);
}

async function lookAtPhoto(photo) {
  if (photo.look || photo.problem) return;
  const { error, scores, copy, detail } = await ask({ photo: photo.file });
  if (!state.photos.includes(photo)) return;
  if (error) {
    photo.problem = PROBLEMS[error];
    console.info(detail);
  } else {
    photo.look = lookAt(scores, state.tree);
    photo.scores = scores;
    photo.way = findWay(together([photo.look]), state.tree, state.facts.calibration);
    photo.copy = URL.createObjectURL(copy);
    const alt = photo.isExample ? photo.name : `Your photo ${photo.name}`;
    photo.picture = el("img", { src: photo.copy, alt });
    photo.thumbnail = el("img", { src: photo.copy, alt: "", width: 72, height: 72 });
    photo.file = null; // its memory is free again
  }
  draw(photo === state.shown || state.together);
}

function removePhotos(gone) {
  gone.forEach((photo) => photo.copy && URL.revokeObjectURL(photo.copy));
  state.photos = state.photos.filter((photo) => !gone.includes(photo));
  if (gone.includes(state.shown)) state.shown = state.photos[0] || null;
}

// ---- what is said ----

const nameOf = (node) => state.tree.names[node];
const withArticle = (name) => `${/^[aeiou]/i.test(name) ? "an" : "a"} ${name}`;

function subjectLooks() {
  // what the answer is about: one photo, or all of them
  const looks = state.together ? state.photos.map((photo) => photo.look) : [state.shown?.look];
  return looks.filter(Boolean);
}

function sentence(way, step) {
  if (!way.isAnimal) return "I see no animal here";
  if (step === 0) return "It is an animal. More I cannot say";
  return `It is ${withArticle(nameOf(way.steps[step].node))}`;
}

function reason(way, step) {
  // chip.place.reason_to_stop, in plain words
  if (!way.isAnimal)
    return `I give all animals together only ${ofHundred(way.animal)}. If there is one, try a photo in which it is larger.`;
  const { steps } = way,
    last = steps.length - 1;
  const known = way.isKnown
    ? "I seem to have learned this animal, or one very like it."
    : "It may be a kind that I have never met.";
  if (step === last) return known;
  const more = steps.findIndex((one) => one.bits >= steps[step].bits + 1);
  const next = steps[more < 0 ? last : Math.max(more, step + 1)];
  const such = examplesOf(next.node).slice(0, 2).join(" or ");
  const guess = `“${withArticle(nameOf(next.node))}”${such && ` (such as ${such})`}`;
  return `I stop there: ${guess} would be right in only ${ofHundred(next.chance)} cases. ${known}`;
}

function examplesOf(node) {
  // a few animals below a group, from all over it
  const below = state.tree.own.filter((leaf) => leaf !== node && isBelow(leaf, node));
  const picked = [0, 0.5, 1].map((part) => below[Math.round(part * (below.length - 1))]);
  return [...new Set(picked)].filter((leaf) => leaf !== undefined).map(nameOf);
}

function isBelow(node, above) {
  let at = node;
  while (at > above) at = state.tree.parents[at];
  return at === above;
}

function promiseText(risk, isDrawing) {
  const wrong = `${+(100 * risk).toFixed(1)} of 100`;
  return `My promise: of new kinds of animals, in photos like those that I was tested with, at most ${wrong} get a wrong answer.${isDrawing ? " For drawings I promise nothing." : ""}`;
}

// ---- drawing ----

function drawExamples() {
  by("examples").replaceChildren(
    ...state.facts.examples.map((example) =>
      el(
        "button",
        { type: "button", click: () => addExample(example), "aria-label": example.name },
        el("img", { src: new URL(example.file, here).href, alt: "", width: 72, height: 72 }),
      ),
    ),
  );
  by("examples-part").hidden = false;
}

function shortAnswer(photo) {
  if (photo.problem) return "cannot be opened";
  if (!photo.look) return state.ready ? "looking …" : "waiting …";
  const { way } = photo;
  if (!way.isAnimal) return "no animal";
  return nameOf(way.steps[stopAt(way, state.risk, state.facts.calibration)].node);
}

function drawPhotos() {
  const own = state.photos.filter((photo) => !photo.isExample);
  by("photos-part").hidden = !own.length;
  by("together-part").hidden = own.length < 2;
  state.together = state.together && own.length > 1;
  by("together").checked = state.together;
  const held = [...by("photos").children].indexOf(document.activeElement);
  by("photos").replaceChildren(
    ...own.map((photo) =>
      el(
        "button",
        {
          type: "button",
          "aria-pressed": String(photo === state.shown || state.together),
          title: photo.name,
          click: () => {
            state.shown = photo;
            state.together = false;
            draw(true);
          },
        },
        photo.thumbnail ||
          el("span", { class: "blank", "aria-hidden": "true" }, photo.problem ? "?" : "…"),
        el("span", { class: "file" }, photo.name),
        el("b", {}, shortAnswer(photo)),
      ),
    ),
  );
  if (held >= 0) by("photos").children[held]?.focus({ preventScroll: true });
}

function drawPicture() {
  const photos = state.together ? state.photos : [state.shown];
  by("picture").replaceChildren(...photos.map((photo) => photo?.picture).filter(Boolean));
}

function drawRow({ node, chance, mass, rivals }, level, step) {
  const near = rivals.filter((rival) => rival.mass >= NEAR).slice(0, MOST_NEAR);
  const kind = level === step ? "answer" : level > step ? "beyond" : "sure";
  const beside = near.map((rival) =>
    el(
      "span",
      {
        class: "cell",
        "--hue": hueOf(rival.node),
        "--share": rival.mass,
        title: `${nameOf(rival.node)}: ${ofHundred(rival.mass)}`,
      },
      el("span", { class: "hidden" }, "near miss: "),
      nameOf(rival.node),
    ),
  );
  return el(
    "li",
    { class: kind, "--delay": `${level * 0.16}s`, "aria-current": level === step ? "step" : null },
    el(
      "span",
      { class: "cell chosen", "--hue": 168 + 13 * level, "--share": Math.max(mass, 0.2) },
      el("span", { class: "name" }, nameOf(node)),
      level === step ? el("b", { class: "flag" }, "my answer") : null,
      el(
        "span",
        { class: "chance" },
        level > step ? el("span", { class: "hidden" }, "only a guess: ") : null,
        level ? `right in ${ofHundred(chance)}` : "that is sure",
      ),
    ),
    ...beside,
  );
}

const hueOf = (node) => Math.round(node * 137.5 + 170) % 360; // tells neighbours apart, as in the explorer

function drawDial(way) {
  const dial = by("dial"),
    risks = promises(state.facts.calibration, way.photos).map((one) => one.risk);
  const at = risks.findLastIndex((risk) => risk <= state.risk + 1e-9);
  const risk = risks[Math.max(at, 0)];
  dial.max = risks.length - 1;
  dial.value = Math.max(at, 0);
  dial.oninput = () => {
    state.risk = risks[dial.value];
    draw();
  };
  dial.setAttribute("aria-valuetext", `${+(100 * risk).toFixed(1)} of 100 answers may be wrong`);
  by("promise").textContent = promiseText(risk, state.shown?.isExample);
  return risk;
}

function drawKin(way) {
  const most = way.kin[0].share || 1;
  by("kin").replaceChildren(
    ...way.kin.flatMap(({ node, share }) => [
      el("dt", {}, nameOf(node)),
      el(
        "dd",
        {},
        el("span", { class: "track" }, el("i", { "--wide": `${(100 * share) / most}%` })),
        el("span", { class: "value" }, ofHundred(share)),
      ),
    ]),
  );
}

function drawWay(isNew) {
  const way = findWay(together(subjectLooks()), state.tree, state.facts.calibration);
  const step = stopAt(way, drawDial(way), state.facts.calibration);
  const answer = way.steps[step].node;
  const group = way.isAnimal && step > 0 ? examplesOf(answer) : [];
  by("verdict").textContent = `${sentence(way, step)}.`;
  by("why").textContent = reason(way, step);
  by("means").textContent = group.length
    ? `To this group belong, for example: ${group.join(", ")}.`
    : "";
  by("way-part").hidden = by("dial-part").hidden = !way.isAnimal;
  by("way").classList.toggle("lit", isNew);
  by("way").replaceChildren(...way.steps.map((one, level) => drawRow(one, level, step)));
  drawKin(way);
  const who = state.together ? `${way.photos} photos` : state.shown.name;
  by("status").textContent = `${who}: ${sentence(way, step)}.`;
}

function draw(isNew = false) {
  // `isNew`: another answer than before, so that its way lights up from the top
  by("answer-part").hidden = !state.photos.length;
  if (!state.photos.length) return;
  drawPhotos();
  drawPicture();
  const isSeen = subjectLooks().length > 0,
    problem = !state.together && state.shown?.problem;
  if (isSeen) drawWay(isNew);
  if (isSeen) return;
  by("way-part").hidden = by("dial-part").hidden = true;
  by("verdict").textContent = problem
    ? "I cannot open this one."
    : state.ready
      ? "Looking …"
      : "In a moment …";
  by("why").textContent = problem || "";
  by("means").textContent = "";
  by("status").textContent = problem ? `${state.shown.name}: ${problem}` : "";
}

// ---- what the reader does ----

function take(transfer) {
  if (transfer.files.length) addPhotos(transfer.files);
  else if (transfer.types.includes("text/uri-list"))
    fail(
      "That is a link, and I fetch nothing from elsewhere: save the picture first, then give me the file.",
      false,
    );
}

for (const [button, input] of [
  ["choose", "files"],
  ["photograph", "camera"],
]) {
  by(button).addEventListener("click", () => by(input).click());
  by(input).addEventListener("change", () => {
    addPhotos(by(input).files);
    by(input).value = ""; // so that the same photo can be given again
  });
}
by("again").addEventListener("click", begin);
by("together").addEventListener("change", () => {
  state.together = by("together").checked;
  draw(true);
});
by("clear").addEventListener("click", () => {
  removePhotos(state.photos);
  draw();
  by("choose").focus();
});
document.addEventListener("paste", (event) => take(event.clipboardData));
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  by("drop").classList.add("over");
});
document.addEventListener(
  "dragleave",
  (event) => event.relatedTarget || by("drop").classList.remove("over"),
);
document.addEventListener("drop", (event) => {
  event.preventDefault();
  by("drop").classList.remove("over");
  by("trouble").hidden = true;
  take(event.dataTransfer);
});
by("photograph").hidden = !navigator.maxTouchPoints; // a desk has no camera to point
window.chipTry = state; // for the curious, and for the tests: photos with their scores
begin();
