// Pictures with numbers behind them: the cell under the pointer, or the one that the arrow keys
// reach, is outlined in every panel of the same picture, and its value is told.

const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

function h(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "text") node.textContent = value;
    else if (name.startsWith("on")) node[name] = value;
    else node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

function clamp(value, low, high) {
  return Math.min(high, Math.max(low, value));
}

/** A grid's values as float32, one map after the other. */
function decode(grid) {
  const bytes = Uint8Array.from(atob(grid.values), (letter) => letter.charCodeAt(0));
  return { ...grid, values: new Float32Array(bytes.buffer) };
}

// --- building ----------------------------------------------------------------------------

function build(app, facts) {
  app.grids = facts.grids.map(decode);
  app.panels = [];
  app.at = null;
  app.spoken = h("div", { class: "spoken", "aria-live": "polite" });
  app.root.style.setProperty("--column", `${facts.column}px`);
  const groups = facts.groups.map((group) => h("div", { class: "group" }, ...group.map((panel) => panelOf(app, panel))));
  app.root.replaceChildren(...groups, app.spoken);
}

function panelOf(app, facts) {
  const image = h("img", { src: facts.image, alt: facts.grid === null ? facts.alt : "", decoding: "sync" });
  const frame = h("div", { class: "frame", style: `aspect-ratio: ${facts.width} / ${facts.height}` }, image);
  const node = h("figure", { class: "panel", style: `width: ${facts.width}px` });
  // Heads and feet were made and escaped by the server.
  if (facts.head) node.append(h("div", { class: "head" }));
  if (facts.head) node.lastChild.innerHTML = facts.head;
  node.append(frame);
  if (facts.foot) node.append(h("div", { class: "foot" }));
  if (facts.foot) node.lastChild.innerHTML = facts.foot;
  if (facts.grid === null) return node;
  const panel = { facts, frame, grid: app.grids[facts.grid] };
  panel.cell = h("div", { class: "cell", hidden: "" });
  panel.tip = h("div", { class: "tip", hidden: "", "aria-hidden": "true" });
  panel.here = h("div", { class: "here", hidden: "" });
  node.querySelector(".dff-bar")?.append(panel.here);
  frame.append(h("div", { class: "window" }, panel.cell), panel.tip);
  for (const [name, value] of [["tabindex", 0], ["role", "application"], ["aria-roledescription", "heatmap"], ["aria-label", `${facts.alt}. The arrow keys read its cells.`]]) {
    frame.setAttribute(name, value);
  }
  frame.onpointermove = frame.onpointerdown = (event) => point(app, panel, event);
  frame.onpointerleave = () => look(app, null);
  frame.onblur = () => look(app, null);
  frame.onkeydown = (event) => walk(app, panel, event);
  app.panels.push(panel);
  return node;
}

// --- looking -----------------------------------------------------------------------------

/** Where a share of the picture lies in a grid: [column, row]. */
function cellAt(grid, [x, y]) {
  const [left, top, right, bottom] = grid.extent;
  return [
    clamp(Math.floor(((x - left) / (right - left)) * grid.columns), 0, grid.columns - 1),
    clamp(Math.floor(((y - top) / (bottom - top)) * grid.rows), 0, grid.rows - 1),
  ];
}

/** The part of a cell that lies in the picture, as shares: [x0, y0, x1, y1]. */
function spanOf(grid, [column, row]) {
  const [left, top, right, bottom] = grid.extent;
  const [wide, high] = [(right - left) / grid.columns, (bottom - top) / grid.rows];
  const [x, y] = [left + column * wide, top + row * high];
  return [x, y, x + wide, y + high].map((share) => clamp(share, 0, 1));
}

function point(app, panel, event) {
  const box = panel.frame.getBoundingClientRect();
  const share = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  look(app, panel, cellAt(panel.grid, share));
}

function walk(app, panel, event) {
  const { grid } = panel;
  const step = STEPS[event.key];
  if (event.key === "Escape") look(app, null);
  else if (step && app.at?.panel === panel) {
    const [column, row] = app.at.cell;
    look(app, panel, [clamp(column + step[0], 0, grid.columns - 1), clamp(row + step[1], 0, grid.rows - 1)], true);
  } else if (step || event.key === "Home") look(app, panel, strongest(panel), true);
  else return;
  event.preventDefault();
}

/** The cell where what a panel shows is strongest: where the arrow keys begin. */
function strongest({ grid, facts }) {
  const size = grid.rows * grid.columns;
  let best = [0, -1];
  for (const { map } of facts.reads) {
    for (let i = 0; i < size; i += 1) if (grid.values[map * size + i] > best[1]) best = [i, grid.values[map * size + i]];
  }
  return [best[0] % grid.columns, Math.floor(best[0] / grid.columns)];
}

/** Mark a cell of a panel, and the same place in the others of its picture; or nothing. */
function look(app, panel, cell = null, aloud = false) {
  const same = panel && app.at?.panel === panel && app.at.cell.join() === cell.join();
  if (same || (!panel && !app.at)) return;
  app.at = panel && { panel, cell };
  const span = panel && spanOf(panel.grid, cell);
  const place = span && [(span[0] + span[2]) / 2, (span[1] + span[3]) / 2];
  for (const other of app.panels) {
    const marked = panel && other.grid.picture === panel.grid.picture;
    for (const node of [other.cell, other.tip, other.here]) node.hidden = !marked;
    if (marked) mark(other, other === panel ? cell : cellAt(other.grid, place), other === panel);
  }
  app.spoken.textContent = aloud ? saidOf(panel, cell) : "";
}

function mark(panel, cell, pointed) {
  const [x0, y0, x1, y1] = spanOf(panel.grid, cell).map((share) => 100 * share);
  panel.cell.style.cssText = `left: ${x0}%; top: ${y0}%; width: ${x1 - x0}%; height: ${y1 - y0}%`;
  const across = x0 + x1 > 100 ? `right: ${100 - x0}%` : `left: ${x1}%`;
  panel.tip.style.cssText = `${across}; ${y0 + y1 > 100 ? `bottom: ${100 - y1}%` : `top: ${y0}%`}; margin: 0 6px`;
  const values = valuesOf(panel, cell);
  panel.here.style.left = `${100 * clamp(values[0] / panel.facts.maximum || 0, 0, 1)}%`;
  panel.tip.classList.toggle("small", !pointed);
  if (pointed) panel.tip.replaceChildren(...linesOf(panel, cell, values));
  else panel.tip.replaceChildren(values.length > 1 ? table(panel, values) : h("strong", { text: number(values[0]) }));
}

function valuesOf({ grid, facts }, [column, row]) {
  return facts.reads.map(({ map }) => grid.values[(map * grid.rows + row) * grid.columns + column]);
}

// --- words -------------------------------------------------------------------------------

/** Three significant digits, as on the rest of the page. */
function number(value) {
  if (value === 0) return "0";
  return value >= 100 || (value > 0 && value < 1e-4) ? value.toPrecision(3) : String(Number(value.toPrecision(3)));
}

function share(value, peak) {
  return `${Math.round((100 * value) / peak)} %`;
}

function placeOf([column, row]) {
  return `row ${row + 1}, column ${column + 1}`;
}

function linesOf(panel, cell, values) {
  const place = h("div", { class: "fine", text: placeOf(cell) });
  if (values.length > 1) return [table(panel, values), place];
  const [{ label, peak }] = panel.facts.reads;
  const rest = peak > 0 ? `${share(values[0], peak)} of its maximum` : label;
  return [h("strong", { text: number(values[0]) }), h("div", { text: rest }), place];
}

function table(panel, values) {
  const rows = panel.facts.reads.map(({ label, colour, peak }, i) => {
    const dot = h("span", { class: "dot", style: `--part: ${colour}` });
    return h("tr", {}, h("td", {}, dot, label), h("td", {}, h("strong", { text: number(values[i]) })), h("td", { class: "fine", text: peak > 0 ? share(values[i], peak) : "" }));
  });
  return h("table", {}, ...rows);
}

function saidOf(panel, cell) {
  const values = valuesOf(panel, cell).map((value, i) => {
    const { label, peak } = panel.facts.reads[i];
    return `${label} ${number(value)}${peak > 0 ? `, ${share(value, peak)} of its maximum` : ""}`;
  });
  return `${placeOf(cell)}: ${values.join("; ")}`;
}

// -----------------------------------------------------------------------------------------

export default function (component) {
  const { data, parentElement } = component;
  const root = parentElement.querySelector(".heatgrid");
  const app = root.app ?? { root };
  root.app = app;
  if (app.json === data.json) return; // the theme alone has changed
  app.json = data.json;
  build(app, JSON.parse(data.json));
}
