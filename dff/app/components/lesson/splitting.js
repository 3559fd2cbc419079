// Step 3: every k side by side. A column is the picture cut into k parts, a stream what a part
// becomes in the next column.

const FLOW = { width: 640, height: 330, top: 10, bar: 16, gap: 3, side: 12 };
const FLOW_SEND = 250; // ms after the last change of k
const SPLIT_WAIT = 1300; // ms in which the part is seen before it splits

const splittingStep = { build: buildSplitting, render: renderSplitting, show: showSplit, hide: hideSplit, answer: splitAnswer };

/** k as chosen here, or else as the page has it. */
function kNow(app) {
  return clamp(app.ui.k ?? app.data.k, 1, app.picture.columns.length);
}

function chooseK(app, k) {
  app.update({ k: clamp(k, 1, app.picture.columns.length), lit: null });
  clearTimeout(app.timers.k);
  app.timers.k = setTimeout(() => app.send("k", kNow(app)), FLOW_SEND);
}

function buildSplitting(app) {
  const { columns } = app.picture;
  const photo = lessonPicture(app, app.data.source, "flow-photo");
  const flow = buildFlow(app);
  const slider = h("input", { type: "range", min: 1, max: columns.length, step: 1, "data-testid": "flow-k", "aria-label": "Number of parts, k" });
  slider.oninput = () => {
    app.shown = false;
    chooseK(app, Number(slider.value));
  };
  app.refs.step = { photo: photo.picture, flow, slider, title: h("h3", { "data-testid": "flow-title" }), fact: h("p", { class: "muted", "data-testid": "flow-fact" }) };
  const s = app.refs.step;
  return h("div", { class: "two" }, photo.node, h("div", { class: "panel" },
    h("div", { class: "group" }, s.title, h("div", { class: "flow-slider" }, slider)),
    flow.node, s.fact));
}

/** Where every part of every column lies: {x, y, height, middle}, ordered to cross as little as it can. */
function flowPlaces(picture) {
  const { columns, flows } = picture;
  const usable = FLOW.height - FLOW.top - 26 - FLOW.gap * (columns.length - 1);
  const places = [];
  columns.forEach((column, c) => {
    const x = FLOW.side + (c / Math.max(1, columns.length - 1)) * (FLOW.width - 2 * FLOW.side - FLOW.bar);
    const share = (j) => (c === 0 && columns.length === 1 ? 1 : c < flows.length ? sum(flows[c][j]) : sum(flows[c - 1].map((row) => row[j])));
    const middle = (j) => {
      if (c === 0) return 0;
      const from = flows[c - 1].map((row) => row[j]);
      const total = sum(from);
      return total > 0 ? sum(from.map((value, i) => value * places[c - 1][i].middle)) / total : FLOW.height;
    };
    const order = column.parts.map((_, j) => j).sort((a, b) => middle(a) - middle(b) || a - b);
    const own = [];
    let y = FLOW.top;
    for (const j of order) {
      const height = share(j) * usable;
      own[j] = { x, y, height, middle: y + height / 2, order: order.indexOf(j) };
      y += height + FLOW.gap;
    }
    places.push(own);
  });
  return places;
}

function ribbon(x0, y0, x1, y1, height) {
  const half = (x0 + x1) / 2;
  return `M${x0} ${y0}C${half} ${y0} ${half} ${y1} ${x1} ${y1}L${x1} ${y1 + height}C${half} ${y1 + height} ${half} ${y0 + height} ${x0} ${y0 + height}Z`;
}

function buildFlow(app) {
  const { picture } = app;
  const { columns, flows } = picture;
  const places = flowPlaces(picture);
  const usable = FLOW.height - FLOW.top - 26 - FLOW.gap * (columns.length - 1);
  const hexOf = (part) => app.data.palette[part.colour].hex;
  const ribbons = [];
  flows.forEach((flow, c) => {
    const down = places[c].map((place) => place.y);
    const entry = places[c + 1].map((place) => place.y);
    const targets = places[c + 1].map((_, j) => j).sort((a, b) => places[c + 1][a].order - places[c + 1][b].order);
    const sources = places[c].map((_, i) => i).sort((a, b) => places[c][a].order - places[c][b].order);
    const starts = flow.map(() => []);
    for (const i of sources) for (const j of targets) {
      starts[i][j] = down[i];
      down[i] += flow[i][j] * usable;
    }
    for (const j of targets) for (const i of sources) {
      const height = flow[i][j] * usable;
      if (height > 0.2) {
        const path = ribbon(places[c][i].x + FLOW.bar, starts[i][j], places[c + 1][j].x, entry[j], height);
        const node = v("path", { d: path, class: "ribbon", fill: hexOf(columns[c + 1].parts[j]) });
        ribbons.push({ node, k: c + 1, i, j });
      }
      entry[j] += height;
    }
  });
  const hatches = app.data.palette.flatMap(({ hex, hatched }, i) => (hatched ? [v("pattern", { id: `hatch${i}`, width: 6, height: 6, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" },
    v("rect", { width: 6, height: 6, fill: hex }), v("rect", { width: 2.5, height: 6, fill: "#fff", opacity: 0.6 }))] : []));
  const back = v("rect", { class: "column-back", y: 0, height: FLOW.height - 20, width: FLOW.bar + 16, rx: 6 });
  const bars = columns.flatMap((column, c) => column.parts.map((part, j) => {
    const { x, y, height } = places[c][j];
    const { hex, hatched } = app.data.palette[part.colour];
    const rect = v("rect", { x, y, width: FLOW.bar, height: Math.max(0.5, height), rx: 2, fill: hatched ? `url(#hatch${part.colour})` : hex });
    const text = height > 13 ? v("text", { x: x + FLOW.bar / 2, y: y + height / 2 + 4, "text-anchor": "middle", class: "bar-number", text: String(part.number) }) : "";
    const node = v("g", { class: "part-bar" }, rect, text);
    node.onpointerenter = () => app.update({ lit: { k: column.k, parts: [j] } });
    node.onclick = () => chooseK(app, column.k);
    return { node, k: column.k, j };
  }));
  const labels = columns.map((column, c) => {
    const node = v("text", { x: places[c][0].x + FLOW.bar / 2, y: FLOW.height - 4, "text-anchor": "middle", class: "k-label", text: String(column.k) });
    node.onclick = () => chooseK(app, column.k);
    return node;
  });
  const node = v("svg", { class: "flow", viewBox: `0 0 ${FLOW.width} ${FLOW.height}`, role: "img", "data-testid": "flow" },
    v("defs", {}, ...hatches), back, ...ribbons.map((one) => one.node), ...bars.map((one) => one.node), ...labels);
  node.onpointerleave = () => !app.shown && app.update({ lit: null });
  return { node, ribbons, bars, labels, back, places };
}

/** The split that is told of: from the chosen k to the next, or from the last but one to the last. */
function splitNow(app) {
  const from = app.ui.from ?? Math.min(kNow(app), app.picture.splits.length);
  return { from, ...app.picture.splits[from - 1] };
}

function showSplit(app) {
  if (!app.picture.splits.length) return;
  const { from, part, targets } = splitNow(app);
  app.update({ from, k: from, lit: part === null ? null : { k: from, parts: [part] } });
  app.after(SPLIT_WAIT, () => app.update({ k: from + 1, lit: part === null ? null : { k: from + 1, parts: targets } }));
}

function hideSplit(app) {
  app.update({ k: app.ui.from ?? app.ui.k, from: undefined, lit: null });
}

function splitAnswer(app) {
  return app.picture.splits.length ? splitNow(app).answer : "";
}

function renderSplitting(app) {
  const s = app.refs.step;
  const { picture, ui, data } = app;
  const k = kNow(app);
  const { heat, parts } = picture.columns[k - 1];
  const lit = ui.lit && ui.lit.k === k ? ui.lit.parts : null;
  // Another column's part is looked at on the picture cut that way.
  const other = ui.lit && ui.lit.k !== k ? picture.columns[ui.lit.k - 1] : null;
  const shown = other ?? { heat, parts };
  paint(s.photo, litView(app, data.source, shown.heat, coloursOf(shown.parts), other ? ui.lit.parts : lit), app.schedule);
  setAttribute(s.photo.canvas, "aria-label", `${data.source.title} in ${shown.parts.length} parts`);
  setText(s.title, `k = ${k}`);
  if (Number(s.slider.value) !== k) s.slider.value = k;
  s.slider.style.setProperty("--at", `${((k - 1) / Math.max(1, picture.columns.length - 1)) * 100}%`);
  setAttribute(s.slider, "aria-valuetext", `${k} parts`);
  const x = s.flow.places[k - 1][0].x - 8;
  setAttribute(s.flow.back, "x", x);
  s.flow.labels.forEach((label, c) => label.classList.toggle("now", c + 1 === k));
  const split = app.shown && picture.splits.length ? splitNow(app) : null;
  for (const { node, k: from, i, j } of s.flow.ribbons) {
    const told = split && split.part !== null && from === split.from && i === split.part;
    const touched = ui.lit && ((from === ui.lit.k && ui.lit.parts.includes(i)) || (from + 1 === ui.lit.k && ui.lit.parts.includes(j)));
    node.classList.toggle("lit", Boolean(split ? told && split.targets.includes(j) : touched));
    node.classList.toggle("dim", Boolean(split ? !told : ui.lit && !touched));
  }
  for (const { node, k: own, j } of s.flow.bars) node.classList.toggle("lit", Boolean(ui.lit && ui.lit.k === own && ui.lit.parts.includes(j)));
  const told = ui.lit && ui.lit.parts.length === 1 ? picture.columns[ui.lit.k - 1].parts[ui.lit.parts[0]] : null;
  setText(s.fact, told
    ? `With k = ${ui.lit.k}, ${partLabel(told)} holds ${percent(told.energy)} of the energy.`
    : "The taller a bar, the more of the picture goes with that part. A stream shows where it goes in the next column.");
  setAttribute(s.flow.node, "aria-label", `Parts for k from 1 to ${picture.columns.length}, and how they split. ${picture.splits.length ? splitNow(app).answer : ""}`);
}
