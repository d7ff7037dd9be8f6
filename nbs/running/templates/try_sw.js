// Keeps try.html for when there is no network. Its address ends in "?" and the version that the
// page belongs to.
const version = location.search.slice(1);
const cacheName = `chip-try-${version}`;
const base = new URL("try/", location.href).href; // each version has a folder of its own below this
const page = new URL("try.html", location.href).href;
const PATIENCE = 3000; // ms that a network may take to answer before the kept page is shown

async function keep() {
  const facts = await (await fetch(`${base}${version}/facts.json`)).json();
  const small = facts.files
    .filter((file) => !file.packed)
    .map((file) => `${base}${version}/${file.name}`);
  const cache = await caches.open(cacheName);
  await cache.addAll([page, `${base}${version}/facts.json`, ...small]); // the large ones as the page fetches them
  await skipWaiting();
}

async function forget() {
  const old = (await caches.keys()).filter(
    (name) => name.startsWith("chip-try-") && name !== cacheName,
  );
  await Promise.all(old.map((name) => caches.delete(name)));
  await clients.claim();
}

async function kept(request) {
  const cache = await caches.open(cacheName);
  const found = await cache.match(request, { ignoreSearch: true });
  if (found) return found;
  const fresh = await fetch(request);
  if (fresh.status === 200) cache.put(request, fresh.clone()).catch(() => {}); // a full disk: it works all the same
  return fresh;
}

async function newest(request) {
  // a newer page where there is a network, else the kept one
  const cache = await caches.open(cacheName);
  try {
    const fresh = await fetch(request.url, { signal: AbortSignal.timeout(PATIENCE) });
    if (!fresh.ok) throw new TypeError(`status ${fresh.status}`);
    return fresh;
  } catch {
    return (await cache.match(page)) || Response.error();
  }
}

addEventListener("install", (event) => event.waitUntil(keep()));
addEventListener("activate", (event) => event.waitUntil(forget()));
addEventListener("fetch", (event) => {
  const { request } = event;
  const address = request.url.split(/[?#]/)[0];
  if (request.method !== "GET") return;
  if (address === page) event.respondWith(newest(request));
  else if (address.startsWith(`${base}${version}/`)) event.respondWith(kept(request));
});
