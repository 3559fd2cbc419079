// Step 6: parts switched off, and the results in their new order.

const switchingStep = { build: buildSwitching, render: renderSwitching, show: showSwitch, hide: hideSwitch, answer: switchAnswer, answerable: (app) => Boolean(app.picture.scores) };

function buildSwitching(app) {
  const { picture, data } = app;
  const { parts } = picture;
  app.ui.weights ??= parts.map(() => 1);
  if (!picture.scores) {
    return h("p", { class: "empty", text: `This collection has more than ${picture.limit} pictures. Explore ranks it anew on the server.` });
  }
  picture.ranks ??= readScores(picture.scores);
  app.everything = rankLocally(picture.ranks, parts.map(() => 1));
  const photo = lessonPicture(app, data.source, "switch-photo");
  const switches = parts.map((part, j) => {
    const toggle = h("button", { class: "switch", type: "button", role: "switch", "data-testid": "part-switch", disabled: part.dead, "aria-label": `Use ${partLabel(part)}` });
    toggle.onclick = () => {
      app.shown = false;
      app.update({ weights: app.ui.weights.map((weight, i) => (i === j ? 1 - weight : weight)) });
    };
    const node = h("li", { class: "switch-line" }, partLine(app, part), toggle);
    node.style.setProperty("--part", data.palette[part.colour].hex);
    return { node, toggle };
  });
  app.refs.step = { photo: photo.picture, switches, list: h("ol", { class: "ranks", "data-testid": "ranks" }), lines: new Map() };
  return h("div", { class: "switching" }, photo.node,
    h("div", { class: "panel" }, h("h3", { text: "Parts in the score" }), h("ul", { class: "switch-list" }, ...switches.map((one) => one.node))),
    h("div", { class: "panel" }, h("h3", { text: "Most similar pictures" }), app.refs.step.list));
}

function rankLine(app, row) {
  const card = app.picture.cards[row];
  const line = {
    rank: h("span", { class: "rank" }), moved: h("span", { class: "moved-text", "data-testid": "moved" }), score: h("span", { class: "score" }),
    bar: buildBar(app, coloursOf(app.picture.parts)),
  };
  const picture = card ? h("img", { class: "rank-thumb", src: card.image, alt: "" }) : h("span", { class: "rank-thumb skeleton" });
  line.node = h("li", { class: "rank-line", "data-testid": "rank", "data-row": row }, line.rank, picture,
    h("span", { class: "rank-title" }, h("span", { class: "name", text: card?.title ?? "Another picture", title: card?.title }), line.bar.node),
    line.score, line.moved);
  return line;
}

function renderSwitching(app) {
  const s = app.refs.step;
  const { picture, ui, data } = app;
  if (!s.list) return;
  const { weights } = ui;
  paint(s.photo, lessonView(app, data.source, picture.heat, coloursOf(picture.parts), { strengths: weights.map((weight) => weight) }), app.schedule);
  setAttribute(s.photo.canvas, "aria-label", `${data.source.title}; parts in the score: ${listed(weights.flatMap((weight, j) => (weight ? [String(j + 1)] : []))) || "none"}`);
  s.switches.forEach(({ node, toggle }, j) => {
    setAttribute(toggle, "aria-checked", String(weights[j] !== 0));
    node.classList.toggle("off", weights[j] === 0);
  });
  const ranking = rankLocally(picture.ranks, weights);
  const rows = ranking.order.slice(0, picture.top);
  const before = placesOf([...s.list.children]);
  for (const row of rows) if (!s.lines.has(row)) s.lines.set(row, rankLine(app, row));
  const nodes = rows.map((row) => s.lines.get(row).node);
  const changed = nodes.length !== s.list.children.length || nodes.some((node, i) => s.list.children[i] !== node);
  const fresh = s.list.children.length === 0;
  if (changed) {
    s.list.replaceChildren(...nodes);
    if (!fresh) glide(nodes, before);
  }
  app.ranking = ranking;
  const range = barRange(app, rows);
  rows.forEach((row, i) => {
    const line = s.lines.get(row);
    const move = app.everything.rank(row) - (i + 1);
    setText(line.rank, String(i + 1));
    setText(line.score, number(ranking.score(row)));
    setText(line.moved, move ? `${move > 0 ? "▲" : "▼"}${Math.abs(move)}` : "");
    fillBar(line.bar, sharesOf(ranking, row), range);
  });
}

/** The part whose loss lets the first result fall the most: {part, first, rank}. */
function keeper(app) {
  const { picture, everything } = app;
  const first = everything.order[0];
  let best = { part: null, first, rank: 1 };
  picture.parts.forEach((part, j) => {
    if (part.dead || picture.parts.length < 2) return;
    const rank = rankLocally(picture.ranks, picture.parts.map((_, i) => (i === j ? 0 : 1))).rank(first);
    if (rank > best.rank) best = { part: j, first, rank };
  });
  return best;
}

function showSwitch(app) {
  const { part } = keeper(app);
  app.update({ weights: app.picture.parts.map((_, j) => (j === part ? 0 : 1)) });
}

function hideSwitch(app) {
  app.update({ weights: app.picture.parts.map(() => 1) });
}

function switchAnswer(app) {
  const { part, first, rank } = keeper(app);
  const title = app.picture.cards[first]?.title ?? "The first result";
  if (part === null) return `No single one: “${title}” stays first whichever part is switched off.`;
  const now = rankLocally(app.picture.ranks, app.picture.parts.map((_, j) => (j === part ? 0 : 1))).order[0];
  const next = app.picture.cards[now]?.title ?? "another picture";
  return `Without ${partLabel(app.picture.parts[part])}, “${title}” falls from rank 1 to ${rank}, and “${next}” is first.`;
}
