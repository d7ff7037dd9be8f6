// From a file's bytes to the 224 × 224 pixels that the network sees, as chip.data.images and
// chip.compute.encoders do it:
// orientation obeyed, colour profile ignored, transparency over white, Pillow's bicubic filter.
// Only `readCrop` needs a browser.

const ascii = (bytes, start, n) => String.fromCharCode(...bytes.subarray(start, start + n));
const big = (bytes, at) => new DataView(bytes.buffer, bytes.byteOffset).getUint32(at);
const little = (bytes, at) => new DataView(bytes.buffer, bytes.byteOffset).getUint32(at, true);

function joined(parts) {
  const whole = new Uint8Array(parts.reduce((n, part) => n + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

// ---- what a file says about itself ----

// The orientation that a block of EXIF states, 1 … 8; 1 where it states none.
function exifOrientation(bytes) {
  const start = ascii(bytes, 0, 6) === "Exif\0\0" ? 6 : 0;
  const view = new DataView(bytes.buffer, bytes.byteOffset + start, bytes.length - start);
  try {
    const isLittle = view.getUint16(0) === 0x4949;
    const directory = view.getUint32(4, isLittle);
    const n = view.getUint16(directory, isLittle);
    for (let i = 0; i < n; i++) {
      const entry = directory + 2 + 12 * i;
      if (view.getUint16(entry, isLittle) !== 0x0112) continue;
      const value = view.getUint16(entry + 8, isLittle);
      return value >= 1 && value <= 8 ? value : 1;
    }
  } catch (error) {
    if (!(error instanceof RangeError)) throw error; // a note that is cut off: the pixels are still good
  }
  return 1;
}

const FRAMES = new Set([
  0xc0, 0xc1, 0xc2, 0xc3, 0xc5, 0xc6, 0xc7, 0xc9, 0xca, 0xcb, 0xcd, 0xce, 0xcf,
]); // say height and width

// JPEG without its notes on colour and orientation, so that every browser decodes the same pixels.
function plainJpeg(bytes) {
  const kept = [bytes.subarray(0, 2)];
  let orientation = 1,
    at = 2,
    size = 0;
  while (at + 4 <= bytes.length && bytes[at] === 0xff && bytes[at + 1] !== 0xda) {
    if (bytes[at + 1] === 0xff) {
      at += 1;
      continue;
    }
    const end = at + 2 + 256 * bytes[at + 2] + bytes[at + 3];
    if (FRAMES.has(bytes[at + 1]))
      size = (256 * bytes[at + 5] + bytes[at + 6]) * (256 * bytes[at + 7] + bytes[at + 8]);
    const isExif = bytes[at + 1] === 0xe1 && ascii(bytes, at + 4, 6) === "Exif\0\0";
    const isProfile = bytes[at + 1] === 0xe2 && ascii(bytes, at + 4, 11) === "ICC_PROFILE";
    if (isExif) orientation = exifOrientation(bytes.subarray(at + 4, end));
    if (!isExif && !isProfile) kept.push(bytes.subarray(at, end));
    at = end;
  }
  return { bytes: joined([...kept, bytes.subarray(at)]), orientation, size };
}

// Of an animation the first picture stays.
const PNG_NOTES = /iCCP|gAMA|cHRM|sRGB|cICP|eXIf|acTL|fcTL|fdAT/;

function plainPng(bytes) {
  const kept = [bytes.subarray(0, 8)];
  let orientation = 1,
    at = 8;
  while (at + 12 <= bytes.length) {
    const kind = ascii(bytes, at + 4, 4),
      end = at + 12 + big(bytes, at);
    if (kind === "eXIf") orientation = exifOrientation(bytes.subarray(at + 8, end - 4));
    if (!PNG_NOTES.test(kind)) kept.push(bytes.subarray(at, end));
    at = end;
  }
  return { bytes: joined(kept), orientation, size: big(bytes, 16) * big(bytes, 20) };
}

function plainWebp(bytes) {
  const kept = [];
  let orientation = 1,
    at = 12;
  while (at + 8 <= bytes.length) {
    const kind = ascii(bytes, at, 4),
      n = little(bytes, at + 4);
    const chunk = bytes.slice(at, at + 8 + n + (n % 2));
    if (kind === "EXIF") orientation = exifOrientation(chunk.subarray(8, 8 + n));
    if (kind === "VP8X") chunk[8] &= ~0x2c; // neither profile nor EXIF nor XMP follows
    if (!/ICCP|EXIF|XMP /.test(kind)) kept.push(chunk);
    at += 8 + n + (n % 2);
  }
  const whole = joined([bytes.slice(0, 12), ...kept]);
  new DataView(whole.buffer).setUint32(4, whole.length - 8, true);
  return { bytes: whole, orientation };
}

// What kind of file it is, by its first bytes; '' for one that is not known.
export function kindOf(bytes) {
  if (bytes[0] === 0xff && bytes[1] === 0xd8) return "jpeg";
  if (ascii(bytes, 1, 3) === "PNG") return "png";
  if (ascii(bytes, 0, 4) === "RIFF" && ascii(bytes, 8, 4) === "WEBP") return "webp";
  if (ascii(bytes, 4, 4) === "ftyp")
    return /hei|hev|mif1|msf1/.test(ascii(bytes, 8, 4)) ? "heic" : "film";
  if (/^(II\*\0|MM\0\*)/.test(ascii(bytes, 0, 4))) return "tiff";
  return "";
}

// The file without its notes, its orientation, and how many pixels it has (0 where that is not
// known).
export function plain(bytes) {
  const reader = { jpeg: plainJpeg, png: plainPng, webp: plainWebp }[kindOf(bytes)];
  const asItIs = { bytes, orientation: 1, size: 0 };
  try {
    return reader ? { ...asItIs, ...reader(bytes) } : asItIs;
  } catch (error) {
    if (!(error instanceof RangeError)) throw error; // a damaged file: the decoder says what it can do
    return asItIs;
  }
}

// ---- Pillow's filter ----

function bicubic(x) {
  const a = -0.5,
    d = Math.abs(x);
  if (d < 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
  return d < 2 ? (((d - 5) * d + 8) * d - 4) * a : 0;
}

const BITS = 22; // of the whole-number weights

// For each of `n` pixels the first one of the `length` that it is made of, and their weights
// (Pillow: Resample.c).
function weightsOf(length, start, end, n) {
  const from = Math.fround(start),
    scale = Math.fround(Math.fround(end) - from) / n;
  const wide = Math.max(scale, 1),
    reach = 2 * wide;
  return Array.from({ length: n }, (_, i) => {
    const centre = from + (i + 0.5) * scale;
    const first = Math.max(Math.trunc(centre - reach + 0.5), 0);
    const last = Math.min(Math.trunc(centre + reach + 0.5), length);
    const weights = [];
    for (let x = first; x < last; x++) weights.push(bicubic((x - centre + 0.5) / wide));
    const total = weights.reduce((a, b) => a + b, 0);
    const whole = weights.map((w) => Math.trunc((w / total) * 2 ** BITS + (w < 0 ? -0.5 : 0.5)));
    return { first, weights: Int32Array.from(whole) };
  });
}

const clip = (sum) => Math.min(Math.max(sum >> BITS, 0), 255);

// Rows of RGBA pixels become rows of `size` RGB pixels. `left` is the first column that `pixels`
// holds.
export function shrinkRows(pixels, width, left, columns, out) {
  const n = pixels.length / 4 / width;
  for (let y = 0, to = 0; y < n; y++) {
    for (const { first, weights } of columns) {
      let red = 1 << (BITS - 1),
        green = red,
        blue = red;
      for (let i = 0, at = 4 * (y * width + first - left); i < weights.length; i++, at += 4) {
        red += pixels[at] * weights[i];
        green += pixels[at + 1] * weights[i];
        blue += pixels[at + 2] * weights[i];
      }
      out[to++] = clip(red);
      out[to++] = clip(green);
      out[to++] = clip(blue);
    }
  }
}

// Columns likewise; `pixels` is RGB, `size` wide.
export function shrinkColumns(pixels, size, rows) {
  const out = new Uint8Array(rows.length * size * 3);
  rows.forEach(({ first, weights }, y) => {
    for (let x = 0; x < size * 3; x++) {
      let sum = 1 << (BITS - 1);
      for (let i = 0; i < weights.length; i++)
        sum += pixels[(first + i) * size * 3 + x] * weights[i];
      out[y * size * 3 + x] = clip(sum);
    }
  });
  return out;
}

function roundToEven(x) {
  const low = Math.floor(x);
  return x - low === 0.5 ? low + (low % 2) : Math.round(x);
}

// What of an upright picture is looked at, and how it is shrunk: chip.compute.encoders.cropped.
export function cropPlan(width, height, { size, resize }) {
  const [wide, high] = [width, height].map((side) =>
    Math.trunc((resize * side) / Math.min(width, height)),
  );
  const across = width / wide,
    down = height / high;
  const x = roundToEven((wide - size) / 2),
    y = roundToEven((high - size) / 2);
  const left = x * across,
    right = Math.min((x + size) * across, width);
  const top = y * down,
    bottom = Math.min((y + size) * down, height);
  const reach = 2 * Math.max((bottom - top) / size, 1) + 1;
  const first = Math.max(Math.floor(top - reach), 0),
    last = Math.min(Math.ceil(bottom + reach), height);
  const columns = weightsOf(width, left, right, size);
  const end = columns[size - 1];
  return {
    columns,
    rows: weightsOf(last - first, top - first, bottom - first, size),
    left: columns[0].first,
    width: end.first + end.weights.length - columns[0].first,
    first, // row of the picture; `rows` are counted from there
    last,
  };
}

// ---- in the browser ----

const TURNS = {
  // EXIF orientation → what canvas does to a picture of that width and height
  1: () => [1, 0, 0, 1, 0, 0],
  2: (w) => [-1, 0, 0, 1, w, 0],
  3: (w, h) => [-1, 0, 0, -1, w, h],
  4: (w, h) => [1, 0, 0, -1, 0, h],
  5: () => [0, 1, 1, 0, 0, 0],
  6: (w, h) => [0, 1, -1, 0, h, 0],
  7: (w, h) => [0, -1, -1, 0, h, w],
  8: (w) => [0, -1, 1, 0, 0, w],
};
const BAND = 1 << 20; // pixels that are held at once
const MOST = 178956970; // pixels that Pillow opens at most
const LARGE = 40e6; // pixels: where such a picture cannot be opened, memory is the likely reason

function draw(context, bitmap, orientation, x, y, scale = 1) {
  const { width, height } = context.canvas;
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.fillStyle = "white";
  context.fillRect(0, 0, width, height);
  const turn = TURNS[orientation](bitmap.width, bitmap.height);
  context.setTransform(
    ...turn.slice(0, 4).map((v) => v * scale),
    (turn[4] - x) * scale,
    (turn[5] - y) * scale,
  );
  context.drawImage(bitmap, 0, 0);
}

// A small copy to look at, as a JPEG.
async function smallCopy(bitmap, orientation, width, height) {
  const scale = Math.min(480 / Math.max(width, height), 1);
  const canvas = new OffscreenCanvas(
    Math.max(Math.round(width * scale), 1),
    Math.max(Math.round(height * scale), 1),
  );
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  draw(context, bitmap, orientation, 0, 0, scale);
  return canvas.convertToBlob({ type: "image/jpeg", quality: 0.8 });
}

async function decode(bytes, size) {
  if (size > MOST) throw new RangeError(`${size} pixels`);
  try {
    return await createImageBitmap(new Blob([bytes]), {
      colorSpaceConversion: "none",
      premultiplyAlpha: "none",
    });
  } catch (error) {
    throw size > LARGE ? new RangeError(`${size} pixels: ${error.message}`) : error;
  }
}

// The crop of a photo and a small copy of it. Raises RangeError for one that is too large, else
// what `createImageBitmap` raises for a file that is no picture.
export async function readCrop(file, shape) {
  const { bytes, orientation, size } = plain(new Uint8Array(await file.arrayBuffer()));
  const bitmap = await decode(bytes, size);
  const [width, height] =
    orientation > 4 ? [bitmap.height, bitmap.width] : [bitmap.width, bitmap.height];
  const plan = cropPlan(width, height, shape);
  const tall = Math.max(Math.min(Math.floor(BAND / plan.width), plan.last - plan.first), 1);
  const context = new OffscreenCanvas(plan.width, tall).getContext("2d", {
    willReadFrequently: true,
  });
  context.imageSmoothingEnabled = false;
  const half = new Uint8Array((plan.last - plan.first) * shape.size * 3);
  for (let y = plan.first; y < plan.last; y += tall) {
    const n = Math.min(tall, plan.last - y);
    draw(context, bitmap, orientation, plan.left, y);
    const { data } = context.getImageData(0, 0, plan.width, n);
    shrinkRows(
      data,
      plan.width,
      plan.left,
      plan.columns,
      half.subarray((y - plan.first) * shape.size * 3),
    );
  }
  const copy = await smallCopy(bitmap, orientation, width, height);
  bitmap.close();
  return { crop: shrinkColumns(half, shape.size, plan.rows), copy };
}
