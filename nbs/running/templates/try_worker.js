// The network, away from the page so that the page stays awake. Asked {id, load} or {id, photo},
// it answers {id, …} or {id, error}.
import * as ort from "./ort.js";
import { kindOf, readCrop } from "./try_pixels.js";

let session, shape;

async function load({ runtime, network, facts }) {
  ort.env.wasm.numThreads = 1; // more need headers that plain hosts do not send
  ort.env.wasm.wasmBinary = runtime;
  shape = facts.shape;
  session = await ort.InferenceSession.create(network, { executionProviders: ["wasm"] });
  return {};
}

async function scoresOf(crop) {
  const input = new ort.Tensor("uint8", crop, [1, shape.size, shape.size, 3]);
  const { scores } = await session.run({ crop: input });
  return scores.data;
}

async function look(photo) {
  const { crop, copy } = await readCrop(photo, shape);
  return { scores: await scoresOf(crop), copy };
}

// Why a photo cannot be looked at: a word that the page has a sentence for.
async function reasonOf(error, photo) {
  if (error instanceof RangeError || /memory|alloc/i.test(error.message)) return "memory";
  if (!photo.size) return "empty";
  try {
    return kindOf(new Uint8Array(await photo.slice(0, 16).arrayBuffer())) || "unknown";
  } catch {
    return "gone"; // the file was moved, or its disk was pulled out
  }
}

async function answer({ id, load: parts, photo }) {
  try {
    postMessage({ id, ...(parts ? await load(parts) : await look(photo)) });
  } catch (error) {
    const reason = parts ? "network" : await reasonOf(error, photo);
    postMessage({ id, error: reason, detail: String(error.message || error) });
  }
}

let queue = Promise.resolve(); // one photo at a time
addEventListener("message", ({ data }) => {
  queue = queue.then(() => answer(data));
});
