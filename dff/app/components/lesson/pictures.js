// What the steps share: photos with parts on them, one channel drawn cell by cell, packed numbers.

Object.assign(ICONS, {
  first: "M6 5v14M19 5L9 12l10 7z",
  before: "M17 5L7 12l10 7z",
  play: "M7 4l12 8-12 8z",
  pause: "M8 5v14M16 5v14",
  after: "M7 5l10 7-10 7zM19 5v14",
});

/** Little-endian float32 from base64. */
function floatsOf(base64) {
  const view = new DataView(bytesOf(base64).buffer);
  return Float32Array.from({ length: view.byteLength / 4 }, (_, i) => view.getFloat32(4 * i, true));
}

/** 16-bit levels: value = level / 65535 * scale. */
function levelsOf({ scale, data }) {
  const view = new DataView(bytesOf(data).buffer);
  return Float32Array.from({ length: view.byteLength / 2 }, (_, i) => (view.getUint16(2 * i, true) / 65535) * scale);
}

/** A photo in its frame: {picture, node}. */
function lessonPicture(app, source, testid, caption = "") {
  const picture = createPicture(testid);
  const ratio = source.width / source.height;
  sizePicture(picture, source, source, [`calc(var(--tall) * ${ratio.toFixed(4)})`]);
  if (source.title) picture.canvas.setAttribute("aria-label", source.title);
  const text = h("figcaption", { text: caption });
  return { picture, caption: text, node: h("figure", { class: "photo-figure" }, h("div", { class: "frame lesson-frame" }, picture.wrap), caption ? text : null) };
}

/** What `paint` needs; `more` overrides. Parts are numbered from 1. */
function lessonView(app, source, heat, colours, more = {}) {
  const largest = heat ? Math.max(...readHeat(heat).maxima) : 0;
  return {
    image: source.image,
    size: { width: source.width, height: source.height },
    box: null,
    heat,
    colours,
    maxima: heat ? colours.map(() => largest) : null,
    names: colours.map((_, j) => String(j + 1)),
    strengths: colours.map(() => 1),
    overlay: true,
    opacity: 0.65,
    threshold: 0.25,
    smooth: true,
    palette: app.data.palette,
    dark: app.dark,
    font: app.font,
    detail: 256,
    badge: 13,
    ...more,
  };
}

/** Light one part, or none in particular (null). Alone, a part's own maximum is the scale. */
function litView(app, source, heat, colours, lit, more = {}) {
  if (lit === null || lit === undefined) return lessonView(app, source, heat, colours, more);
  const on = [lit].flat();
  return lessonView(app, source, heat, colours, {
    maxima: readHeat(heat).maxima,
    strengths: colours.map((_, j) => (on.includes(j) ? 1 : 0.08)),
    ...more,
  });
}

function coloursOf(parts) {
  return parts.map((part) => part.colour);
}

function letterOf(j) {
  return String.fromCharCode(65 + j);
}

/** "part 2 (triumphal arch)" */
function partLabel(part) {
  return part.name ? `part ${part.number} (${part.name})` : `part ${part.number}`;
}

/** Where a part is strongest, in words, or "" where it does not show. */
function peakWords(picture, j) {
  const peak = picture.regions?.peaks[j];
  return peak ? placeName(peak) : "";
}

/** A part's badge and name in a line. */
function partLine(app, part) {
  return h("span", { class: "region-name" }, swatch(app.data.palette, part.colour, String(part.number)),
    h("span", { class: "name", text: part.name || `part ${part.number}`, title: part.name }));
}

// --- one map, cell by cell -----------------------------------------------------------------

const rampCache = new WeakMap();

/** The table of a colour map, 256 × 3 bytes, from base64 (cached by its owner). */
function rampOf(owner) {
  if (!rampCache.has(owner)) rampCache.set(owner, bytesOf(owner.magma));
  return rampCache.get(owner);
}

function rampCss(ramp) {
  const stops = Array.from({ length: 9 }, (_, i) => i * 32 - (i === 8 ? 1 : 0));
  return `linear-gradient(90deg, ${stops.map((s) => `rgb(${ramp[3 * s]} ${ramp[3 * s + 1]} ${ramp[3 * s + 2]})`).join(", ")})`;
}

/** Fill a small canvas with a map, one pixel a cell. values from `offset`. */
function paintCells(canvas, values, offset, { rows, columns }, largest, ramp, alpha = () => 255) {
  canvas.width = columns;
  canvas.height = rows;
  const picture = new ImageData(columns, rows);
  for (let p = 0; p < rows * columns; p += 1) {
    const share = largest > 0 ? clamp(values[offset + p] / largest, 0, 1) : 0;
    const at = 3 * Math.round(share * 255);
    picture.data.set([ramp[at], ramp[at + 1], ramp[at + 2], alpha(share)], 4 * p);
  }
  canvas.getContext("2d").putImageData(picture, 0, 0);
}

/** Where cell p lies on the picture, as shares of it: [x, y, width, height]. */
function cellPlace(grid, p) {
  const [x0, y0, x1, y1] = grid.extent;
  const [width, height] = [(x1 - x0) / grid.columns, (y1 - y0) / grid.rows];
  return [x0 + (p % grid.columns) * width, y0 + Math.floor(p / grid.columns) * height, width, height];
}

/** The cell under the pointer. */
function cellAt(grid, node, event) {
  const frame = node.getBoundingClientRect();
  const [x0, y0, x1, y1] = grid.extent;
  const x = ((event.clientX - frame.left) / frame.width - x0) / (x1 - x0);
  const y = ((event.clientY - frame.top) / frame.height - y0) / (y1 - y0);
  const column = clamp(Math.floor(x * grid.columns), 0, grid.columns - 1);
  return clamp(Math.floor(y * grid.rows), 0, grid.rows - 1) * grid.columns + column;
}

/**
 * A layer over a photo on which one cell is chosen: by pointer, or by arrow keys once it has the
 * focus. choose(p) is called with the cell; `place(p)` moves the mark.
 */
function cellLayer(grid, label, choose, hover = false) {
  const mark = h("span", { class: "cell-mark" });
  const layer = h("div", { class: "cell-layer", tabindex: 0, role: "application", "aria-label": label, "data-testid": "cells" }, mark);
  let now = 0;
  const go = (event) => choose(cellAt(grid, layer, event));
  layer.onpointerdown = go;
  if (hover) layer.onpointermove = go;
  layer.onkeydown = (event) => {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!step) return;
    event.preventDefault();
    const column = clamp((now % grid.columns) + step[0], 0, grid.columns - 1);
    choose(clamp(Math.floor(now / grid.columns) + step[1], 0, grid.rows - 1) * grid.columns + column);
  };
  const place = (p) => {
    now = p;
    const [x, y, width, height] = cellPlace(grid, p).map((share) => `${share * 100}%`);
    Object.assign(mark.style, { left: x, top: y, width, height });
  };
  return { layer, place };
}

/** A number with about three digits. */
function short(value) {
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 100) return number(value, 0);
  if (size >= 10) return number(value, 1);
  if (size >= 0.1) return number(value, 2);
  return size >= 0.001 ? number(value, 4) : value.toExponential(1).replace("-", "−").replace("e", " · 10^");
}
