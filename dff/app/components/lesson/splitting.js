// Step 3: every k side by side. A column is the picture cut into k parts, a stream what a part
// becomes in the next column.

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
  const flow = buildFlow(app.data.palette, app.picture, {
    onPart: (k, j) => app.update({ lit: { k, parts: [j] } }),
    onK: (k) => chooseK(app, k),
    onLeave: () => !app.shown && app.update({ lit: null }),
  });
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
  renderFlow(s.flow, k, ui.lit, app.shown && picture.splits.length ? splitNow(app) : null);
  const told = ui.lit && ui.lit.parts.length === 1 ? picture.columns[ui.lit.k - 1].parts[ui.lit.parts[0]] : null;
  setText(s.fact, told
    ? `With k = ${ui.lit.k}, ${partLabel(told)} holds ${percent(told.energy)} of the energy.`
    : "The taller a bar, the more of the picture goes with that part. A stream shows where it goes in the next column.");
  setAttribute(s.flow.node, "aria-label", `Parts for k from 1 to ${picture.columns.length}, and how they split. ${picture.splits.length ? splitNow(app).answer : ""}`);
}
