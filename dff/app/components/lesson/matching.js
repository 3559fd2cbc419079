// Step 5: a score, its table of pairs of parts, and where a pair is in both pictures.

const matchingStep = { build: buildMatching, render: renderMatching, show: showPair, hide: (app) => app.update({ pair: null }), answer: matchAnswer, answerable: (app) => app.picture.results.length > 0 };

function matchNow(app) {
  return app.picture.results[app.ui.result ?? 0];
}

function buildMatching(app) {
  const { picture, data } = app;
  if (!picture.results.length) return h("p", { class: "empty", text: "There is no other picture in this collection yet." });
  const left = lessonPicture(app, data.source, "match-query", "Your picture");
  const right = lessonPicture(app, matchNow(app), "match-result", " ");
  const choices = picture.results.map((result, i) => {
    const node = h("button", { class: "result-choice", type: "button", "data-testid": "result-choice", "aria-label": `Rank ${result.rank}, ${result.title}` },
      h("img", { src: result.image, alt: "" }), h("span", { text: String(result.rank) }));
    node.onclick = () => {
      app.shown = false;
      app.ui = { result: i };
      buildFigure(app);
      app.schedule();
    };
    return node;
  });
  const table = pairTable(app, picture.parts, matchNow(app));
  app.refs.step = {
    left: left.picture, right: right.picture, caption: right.caption, choices, table,
    score: h("p", { class: "score-line", "data-testid": "score-line" }), sentence: h("p", { class: "muted", "data-testid": "pair-sentence" }),
  };
  const s = app.refs.step;
  return h("div", { class: "three" }, left.node,
    h("div", { class: "panel middle" }, s.score, h("div", { class: "scroll" }, table.node), s.sentence,
      h("div", { class: "choices", role: "group", "aria-label": "Result to look into" }, ...choices)),
    right.node);
}

/** Every pair of parts with what it adds; rows are the query's parts, columns the match's. */
function pairTable(app, parts, result) {
  const palette = app.data.palette;
  const cells = [];
  const rows = result.table.map((line, i) => h("tr", {},
    h("th", { scope: "row" }, swatch(palette, parts[i].colour, String(i + 1))),
    ...line.map((value, j) => {
      const node = h("td", { class: "cell", tabindex: -1, "data-i": i, "data-j": j, "data-testid": "pair", text: number(value) });
      const look = () => !app.shown && app.update({ pair: { i, j } });
      node.onpointerenter = look;
      node.onfocus = look;
      node.onclick = () => {
        app.shown = false;
        app.update({ pair: { i, j } });
      };
      cells.push({ node, value, i, j });
      return node;
    }),
    h("td", { class: "total", text: number(sum(line)) })));
  const node = h("table", { class: "contributions pairs", "data-testid": "pairs" },
    h("thead", {}, h("tr", {}, h("td", { class: "corner", text: "yours ↓ its →" }),
      ...result.table[0].map((_, j) => h("th", { scope: "col" }, swatch(palette, result.colours[j], letterOf(j)))), h("th", { scope: "col", class: "total", text: "Sum" }))),
    h("tbody", {}, ...rows));
  node.onpointerleave = () => !app.shown && app.update({ pair: null });
  walkCells(node);
  return { node, cells, largest: Math.max(...cells.map((cell) => Math.abs(cell.value))) };
}

function paintPairTable(table, pair, dark) {
  for (const { node, value, i, j } of table.cells) {
    Object.assign(node.style, divergingStyle(value, table.largest, dark));
    node.classList.toggle("looked-at", Boolean(pair && pair.i === i && pair.j === j));
  }
}

function strongestPair(result) {
  let best = { i: 0, j: 0, value: -Infinity };
  result.table.forEach((line, i) => line.forEach((value, j) => {
    if (value > best.value) best = { i, j, value };
  }));
  return best;
}

function showPair(app) {
  const { i, j } = strongestPair(matchNow(app));
  app.update({ pair: { i, j } });
}

function renderMatching(app) {
  const s = app.refs.step;
  if (!s.table) return;
  const { picture, ui, data } = app;
  const result = matchNow(app);
  const pair = ui.pair ?? null;
  const letters = result.colours.map((_, j) => letterOf(j));
  paint(s.left, litView(app, data.source, picture.heat, coloursOf(picture.parts), pair?.i), app.schedule);
  paint(s.right, litView(app, result, result.heat, result.colours, pair?.j, { names: letters }), app.schedule);
  setAttribute(s.left.canvas, "aria-label", `Your picture, ${data.source.title}${pair ? `, part ${pair.i + 1} lit` : ""}`);
  setAttribute(s.right.canvas, "aria-label", `Rank ${result.rank}, ${result.title}${pair ? `, part ${letterOf(pair.j)} lit` : ""}`);
  setText(s.caption, `Rank ${result.rank}: ${result.title}`);
  s.choices.forEach((node, i) => setAttribute(node, "aria-pressed", String(i === (ui.result ?? 0))));
  paintPairTable(s.table, pair, app.dark);
  setText(s.score, `Score ${number(result.score)} = the sum of all ${s.table.cells.length} cells`);
  setText(s.sentence, pair ? pairWords(app, result, pair) : "Point at a cell: its two parts light up in the pictures.");
}

function pairWords(app, result, { i, j }) {
  const value = result.table[i][j];
  const effect = value === 0 ? "adds nothing" : `${value > 0 ? "adds" : "takes away"} ${number(Math.abs(value))}`;
  return `Your ${partLabel(app.picture.parts[i])} with its part ${letterOf(j)} ${effect}.`;
}

function matchAnswer(app) {
  const result = matchNow(app);
  const { i, j, value } = strongestPair(result);
  const s = app.refs.step;
  const [here, there] = [peakWords(s.left, i), peakWords(s.right, j)];
  const where = here && there ? ` Your part is strongest at the ${here}, its part at the ${there}.` : "";
  return `Your ${partLabel(app.picture.parts[i])} with its part ${letterOf(j)}: it adds ${number(value)}, ${percent(value / result.score)} of the score.${where}`;
}
