// Step 2: the factorization on its way, from random numbers to parts.

const TICK = 420; // ms an iteration when it plays

const iterationsStep = {
  build: buildIterations, render: renderIterations, show: showDone, hide: (app) => stopAt(app, 0), answer: iterationsAnswer,
};

function buildIterations(app) {
  const { picture } = app;
  const k = picture.parts.length;
  const heat = picture.heats[0];
  const grid = { rows: heat.rows, columns: heat.columns, extent: heat.extent };
  picture.h ??= floatsOf(picture.cells);
  picture.n ??= floatsOf(picture.pulls);
  picture.g ??= floatsOf(picture.grams);
  app.ui.t ??= 0;
  app.ui.part ??= 0;
  if (app.ui.cell === undefined) {
    const last = readHeat(picture.heats[picture.iterations]);
    const own = last.values.subarray(0, heat.rows * heat.columns);
    app.ui.cell = Math.max(0, own.indexOf(last.maxima[0]));
  }
  const photo = lessonPicture(app, app.data.source, "nmf-photo");
  const layer = cellLayer(grid, "Position whose numbers are shown; arrow keys move it", (cell) => app.update({ cell }));
  photo.picture.wrap.append(layer.layer);
  const button = (testid, label, name, to) => h("button", {
    class: "quiet bordered step-button", type: "button", "data-testid": testid, "aria-label": label, title: label, onclick: to,
  }, icon(name));
  const slider = h("input", { type: "range", min: 0, max: picture.iterations, step: 1, "data-testid": "iteration", "aria-label": "Iteration" });
  slider.oninput = () => stopAt(app, Number(slider.value));
  const play = button("play", "Play", "play", () => (app.ui.playing ? stopAt(app, app.ui.t) : playTo(app, picture.iterations)));
  const choose = picture.parts.map((part, j) => {
    const node = h("button", { class: "part-choice", type: "button", "aria-label": `Numbers of ${partLabel(part)}`, onclick: () => app.update({ part: j }) },
      swatch(app.data.palette, part.colour, String(part.number)));
    return node;
  });
  app.refs.step = {
    photo: photo.picture, layer, slider, play, choose, grid, k,
    title: h("h3", { "data-testid": "iteration-title" }), curve: buildCurve(app),
    formula: h("p", { class: "formula update", "data-testid": "formula" }), drawn: null, where: h("p", { class: "muted" }),
  };
  const s = app.refs.step;
  return h("div", { class: "two" }, photo.node, h("div", { class: "panel" },
    h("div", { class: "group" }, s.title, h("div", { class: "player" },
      button("to-start", "To the start", "first", () => stopAt(app, 0)),
      button("step-back", "One iteration back", "before", () => stopAt(app, app.ui.t - 1)),
      play,
      button("step-on", "One iteration on", "after", () => stopAt(app, app.ui.t + 1)), slider)),
    s.curve.node,
    h("div", { class: "group" },
      h("p", { class: "formula" }, h("b", { text: "A ≈ H · W" }),
        h("span", { class: "muted", text: `   ${picture.size[0]} positions × ${picture.size[1]} channels  ≈  heat of ${k} ${k === 1 ? "part" : "parts"} · ${k} basis ${k === 1 ? "vector" : "vectors"}` })),
      h("div", { class: "choices", role: "group", "aria-label": "Part whose numbers are shown" }, ...choose, s.where),
      s.formula)));
}

const CURVE = { width: 520, height: 120, left: 44, right: 10, top: 10, bottom: 22 };

function buildCurve(app) {
  const { errors, iterations } = app.picture;
  const { width, height, left, right, top, bottom } = CURVE;
  const low = Math.floor(Math.min(...errors) * 10) / 10;
  const x = (t) => left + (t / Math.max(1, iterations)) * (width - left - right);
  const y = (error) => top + ((1 - error) / (1 - low || 1)) * (height - top - bottom);
  const line = errors.map((error, t) => `${t ? "L" : "M"}${x(t).toFixed(1)} ${y(Math.min(1, error)).toFixed(1)}`).join("");
  const tick = (text, at, place, anchor) => v("text", { ...place, class: "axis", "text-anchor": anchor, text });
  const dot = v("circle", { r: 6, class: "curve-dot", "data-testid": "curve-dot" });
  const mark = v("g", { class: "curve-mark" },
    v("line", { x1: x(app.picture.done), x2: x(app.picture.done), y1: top, y2: height - bottom }));
  const node = v("svg", { class: "curve", viewBox: `0 0 ${width} ${height}`, role: "img", "data-testid": "curve" },
    v("line", { x1: left, x2: left, y1: top, y2: height - bottom, class: "rule" }),
    v("line", { x1: left, x2: width - right, y1: height - bottom, y2: height - bottom, class: "rule" }),
    tick("1", 0, { x: left - 6, y: y(1) + 5 }, "end"), tick(low.toFixed(1), 0, { x: left - 6, y: y(low) + 4 }, "end"),
    tick("0", 0, { x: x(0), y: height - 6 }, "middle"), tick(String(iterations), 0, { x: x(iterations), y: height - 6 }, "end"),
    tick("iterations", 0, { x: (left + width) / 2, y: height - 6 }, "middle"),
    mark, v("path", { d: line, class: "curve-line" }), dot);
  return { node, dot, mark, x, y };
}

function stopAt(app, t) {
  clearTimeout(app.timers.step);
  app.update({ t: clamp(t, 0, app.picture.iterations), playing: false });
}

/** Play on to an iteration, from the start if it lies behind. */
function playTo(app, end) {
  if (prefersNoMotion()) return stopAt(app, end);
  app.update({ t: app.ui.t >= end ? 0 : app.ui.t, playing: true });
  const tick = () => {
    if (!app.ui.playing) return;
    app.update({ t: app.ui.t + 1, playing: app.ui.t + 1 < end });
    if (app.ui.playing) app.after(TICK, tick);
  };
  return app.after(TICK, tick);
}

function showDone(app) {
  app.ui.t = 0;
  playTo(app, app.picture.done);
}

function renderIterations(app) {
  const { picture, ui } = app;
  const s = app.refs.step;
  const { t, part, cell } = ui;
  const heat = picture.heats[t];
  const colours = coloursOf(picture.parts);
  paint(s.photo, lessonView(app, app.data.source, heat, colours, { maxima: readHeat(heat).maxima.map(() => Math.max(...readHeat(heat).maxima)) }), app.schedule);
  setAttribute(s.photo.canvas, "aria-label", `${app.data.source.title}, its parts at iteration ${t}`);
  s.layer.place(cell);
  const error = picture.errors[t];
  setText(s.title, t === 0 ? `Start: random numbers, error ${error.toFixed(3)}` : `Iteration ${t} of ${picture.iterations}, error ${error.toFixed(3)}`);
  if (Number(s.slider.value) !== t) s.slider.value = t;
  s.slider.style.setProperty("--at", `${(t / Math.max(1, picture.iterations)) * 100}%`);
  s.play.replaceChildren(icon(ui.playing ? "pause" : "play"));
  setAttribute(s.play, "aria-label", ui.playing ? "Stop" : "Play");
  setAttribute(s.curve.dot, "cx", s.curve.x(t));
  setAttribute(s.curve.dot, "cy", s.curve.y(Math.min(1, error)));
  s.curve.mark.style.visibility = app.shown ? "visible" : "hidden";
  setAttribute(s.curve.node, "aria-label", `The error falls from ${picture.errors[0].toFixed(3)} to ${picture.errors[picture.iterations].toFixed(3)}; now it is ${error.toFixed(3)}`);
  s.choose.forEach((node, j) => setAttribute(node, "aria-pressed", String(j === part)));
  const [row, column] = [Math.floor(cell / s.grid.columns) + 1, (cell % s.grid.columns) + 1];
  setText(s.where, `at row ${row}, column ${column} (click the photo)`);
  renderFormula(picture, s, t, part, cell);
}

function fraction(above, below) {
  return h("span", { class: "fraction" }, h("span", { text: above }), h("span", { class: "unseen", text: " / " }), h("span", { text: below }));
}

/** One cell's update with its numbers: h, what pulls it up, what holds it down, and what it becomes. */
function renderFormula(picture, s, t, part, cell) {
  const key = [t, part, cell].join();
  if (s.drawn === key || picture.iterations < 1) return;
  s.drawn = key;
  const cells = s.grid.rows * s.grid.columns;
  const { k } = s;
  const from = Math.min(t, picture.iterations - 1);
  const at = (time, j) => picture.h[(time * cells + cell) * k + j];
  let push = 0;
  for (let i = 0; i < k; i += 1) push += at(from, i) * picture.g[(from * k + i) * k + part];
  const pull = picture.n[(from * cells + cell) * k + part];
  s.formula.replaceChildren(
    h("span", { text: "h · " }), fraction("A Wᵀ", "H W Wᵀ"), h("span", { text: " = " }),
    h("span", { text: `${short(at(from, part))} · ` }), fraction(short(pull), short(push)), h("span", { text: " = " }),
    h("strong", { text: short(at(from + 1, part)) }), h("span", { class: "muted", text: t > from ? "   was the last update" : `   is h after iteration ${t + 1}` }));
}

function iterationsAnswer(app) {
  const { picture } = app;
  const { errors, iterations, done, alike, parts } = picture;
  const worst = alike.indexOf(Math.min(...alike));
  const same = alike[worst] >= 0.9
    ? `The parts end where this page's other steps have them, which start elsewhere (cosines of ${Math.min(...alike).toFixed(2)} and more).`
    : `Part ${parts[worst].number} ends elsewhere than on this page's other steps (cosine ${alike[worst].toFixed(2)}): here, the start decides.`;
  return `About ${done} of ${iterations}: then 95 % of the fall of the error, from ${errors[0].toFixed(2)} to ${errors[iterations].toFixed(2)}, lies behind it. ${same}`;
}
