// Step 7: where it fails, one example at a time.

const failuresStep = {
  build: buildFailures, render: renderFailures, show: showFailure,
  answer: (app) => app.data.problem || (deletionWaits(app) ? "Hiding each part in turn and scoring again …" : failureNow(app).answer),
  question: (app) => failureNow(app)?.question, answerable: (app) => app.picture.examples.length > 0,
};

function failureNow(app) {
  return app.picture.examples[app.ui.example ?? 0];
}

/** Asked for, and on its way from the server. */
function deletionWaits(app) {
  const example = failureNow(app);
  return example.kind === "reason" && !example.falls;
}

function showFailure(app) {
  if (deletionWaits(app)) app.send("test", true);
}

function buildFailures(app) {
  const { examples } = app.picture;
  if (!examples.length) {
    return h("p", { class: "empty", text: "These examples are of the sample photos, and this collection does not hold them." });
  }
  const example = failureNow(app);
  const tabs = examples.map((one, i) => {
    const node = h("button", { type: "button", text: one.title, "data-testid": "example", "aria-pressed": String(one === example) });
    node.onclick = () => {
      app.shown = false;
      app.ui = { example: i };
      buildFigure(app);
      app.schedule();
    };
    return node;
  });
  const left = lessonPicture(app, example.picture, "failure-query", `Asked: ${example.picture.title}`);
  const right = example.result ? lessonPicture(app, example.result, "failure-result", `Found first: ${example.result.title}`) : null;
  app.refs.step = { left: left.picture, right: right?.picture ?? null };
  const side = { match: sideOfMatch, name: sideOfName, reason: sideOfReason }[example.kind](app, example);
  return h("div", { class: "failures" }, h("div", { class: "segmented examples", role: "group", "aria-label": "Examples" }, ...tabs),
    h("div", { class: right ? "three" : "two" }, left.node, right?.node ?? null, h("div", { class: "panel" }, side)));
}

function sideOfMatch(app, example) {
  const { right, result } = example;
  const rank = h("strong", { class: "right-rank", "data-testid": "right-rank" });
  const card = h("div", { class: "right-answer" }, h("img", { src: right.image, alt: right.title }),
    h("p", {}, h("strong", { text: right.title }), h("span", { class: "muted", text: "is here too, at rank " }), rank));
  app.refs.step.rank = { node: rank, text: String(right.rank) };
  return h("div", { class: "group" }, h("p", { class: "score-line", text: `Score ${number(result.score)}, rank 1` }), card);
}

function sideOfName(app, example) {
  const [part] = example.pair;
  const { name, confidence, colour, number: own } = example.parts[part];
  const said = h("p", { class: "big-name", "data-testid": "said" }, swatch(app.data.palette, colour, String(own)), h("span", { text: `“${name}”` }));
  const bar = h("span", { class: "energy" }, h("span", { class: "energy-fill" }));
  bar.firstChild.style.width = `${100 * confidence}%`;
  bar.style.setProperty("--part", app.data.palette[colour].hex);
  const odds = h("p", { class: "muted", text: `probability ${confidence.toFixed(2)}` });
  app.refs.step.card = h("div", { class: "group" }, said, bar, odds);
  return app.refs.step.card;
}

/** Each part's contribution, and beside it what the score falls by without the part. */
function sideOfReason(app, example) {
  const { credit, falls, parts } = example;
  const largest = Math.max(...credit.map(Math.abs), ...(falls ?? []).map(Math.abs));
  const bar = (value, kind) => {
    const fill = h("span", { class: `fall-fill ${kind}${value < 0 ? " minus" : ""}` });
    fill.style.width = `${(Math.abs(value) / largest) * 50}%`;
    return h("span", { class: "fall-bar" }, fill);
  };
  const rows = parts.map((part, j) => {
    const row = h("tr", {}, h("th", { scope: "row" }, partLine(app, part)),
      h("td", {}, bar(credit[j], "credit"), h("span", { text: number(credit[j]) })),
      h("td", { class: "fall", "data-testid": "fall" }, falls ? bar(falls[j], "fall") : null, h("span", { text: falls ? number(falls[j]) : "?" })));
    row.style.setProperty("--part", app.data.palette[part.colour].hex);
    return { row, fall: row.lastChild, value: falls?.[j] };
  });
  app.refs.step.falls = rows;
  return h("table", { class: "falls" }, h("thead", {}, h("tr", {}, h("td", {}),
    h("th", { scope: "col", text: "adds to the score" }), h("th", { scope: "col", text: "score falls without it" }))),
  h("tbody", {}, ...rows.map((one) => one.row)));
}

function renderFailures(app) {
  const s = app.refs.step;
  const example = failureNow(app);
  if (!example) return;
  const lit = app.shown && example.pair ? example.pair : [null, null];
  paint(s.left, litView(app, example.picture, example.picture.heat, example.picture.colours, lit[0]), app.schedule);
  setAttribute(s.left.canvas, "aria-label", `Asked, ${example.picture.title}${lit[0] === null ? "" : `, part ${lit[0] + 1} lit`}`);
  if (s.right) {
    const { result } = example;
    const names = result.colours.map((_, j) => letterOf(j));
    paint(s.right, litView(app, result, result.heat, result.colours, lit[1], { names }), app.schedule);
    setAttribute(s.right.canvas, "aria-label", `Found, ${result.title}${lit[1] === null ? "" : `, part ${letterOf(lit[1])} lit`}`);
  }
  if (s.rank) setText(s.rank.node, app.shown ? s.rank.text : "?");
  if (s.card) s.card.classList.toggle("veiled", !app.shown);
  for (const { fall, value } of s.falls ?? []) fall.classList.toggle("veiled", !app.shown || value === undefined);
}
