// The results: one card a row of the index. A card is built and filled from one record only, and
// cards are keyed by row, so picture, name, score and heat cannot be mixed up.

const GLIDE = { duration: 450, easing: "cubic-bezier(0.25, 0.1, 0.25, 1)" };

function buildResults(app) {
  const count = h("span", { class: "muted" });
  const status = h("p", { class: "status", role: "status", "data-testid": "status" });
  const grid = h("ol", { class: "cards", "data-testid": "cards" });
  const live = h("p", { class: "unseen", "aria-live": "polite" });
  const empty = h("p", {
    class: "empty",
    "data-testid": "empty",
    text: "No other picture in this collection yet. Add pictures to the index to find the like.",
  });
  app.refs.results = { count, status, grid, live, empty, cards: new Map(), frame: frameRatio(app) };
  return h("section", { class: "results", "aria-label": "Results", "data-testid": "results" },
    h("header", { class: "row-head" }, h("h2", { text: "Most similar pictures" }), count, status),
    buildToolbar(app), grid, empty, live);
}

/** One shape for all frames, near the pictures' own shapes (fixed until the query changes). */
function frameRatio(app) {
  const shapes = [app.state.data.query, ...app.state.data.cards].map((p) => Math.log(p.width / p.height));
  return clamp(Math.exp(sum(shapes) / shapes.length), 0.85, 1.4);
}

function shownRows(app) {
  return app.ranking.order.slice(0, app.state.data.top);
}

/** The nodes of a card; what they show comes from `fillCard`. */
function createCard(app, row, record) {
  const card = { row, record, picture: createPicture("card-picture") };
  card.open = h("button", { class: "frame", type: "button", "data-testid": "open-detail", disabled: !record });
  card.open.style.aspectRatio = app.refs.results.frame;
  card.rank = h("span", { class: "rank" });
  card.title = h("span", { class: record ? "title" : "title skeleton", text: record?.title ?? "", title: record?.title });
  card.moved = h("span", { class: "moved", "data-testid": "moved" });
  card.score = h("span", { class: "score", "data-testid": "score", title: "Score: the sum of what the parts add" });
  card.bar = buildBar(app, app.state.data.parts.map((part) => part.colour));
  card.percentile = h("span", { class: "percentile" });
  card.use = h("button", {
    class: "quiet use", type: "button", "data-testid": "use-as-query", text: "Use as query", disabled: !record,
  });
  card.keep = record ? keepButton(app, row, record.title) : null;
  if (record) connectCard(app, card);
  card.open.append(record ? card.picture.wrap : h("span", { class: "skeleton picture-skeleton" }));
  card.node = h("li", { class: "card", "data-testid": "card", "data-row": row, "data-id": record?.id },
    card.open, card.keep, card.moved,
    h("div", { class: "card-body" },
      h("div", { class: "card-head" }, card.rank, card.title),
      h("div", { class: "card-score" }, card.score, card.bar.node),
      h("div", { class: "card-foot" }, card.percentile, card.use)));
  return card;
}

/** A star: on the shortlist or not. `aria-pressed` says which. */
function keepButton(app, row, title) {
  const button = h("button", {
    class: "icon-button keep", type: "button", "data-testid": "keep", "aria-label": `Keep ${title} on the shortlist`, title: "Keep on the shortlist",
  }, icon("star"));
  button.onclick = () => {
    setAttribute(button, "aria-pressed", String(button.getAttribute("aria-pressed") !== "true"));
    app.send("keep", row);
  };
  return button;
}

function connectCard(app, card) {
  const { record, row } = card;
  const shown = { width: record.thumb_width ?? record.width, height: record.thumb_height ?? record.height };
  const fit = (record.width / record.height / app.refs.results.frame) * 100;
  sizePicture(card.picture, record, shown, [`${fit.toFixed(2)}%`]);
  card.open.onclick = () => openDetail(app, row);
  card.use.onclick = () => useAsQuery(app, row);
  setAttribute(card.use, "aria-label", `Use ${record.title} as query`);
  lightUnderPointer(app, card.picture, () => heatOf(app, record, record.own_colours).colours);
}

function useAsQuery(app, row) {
  cancelSending(app);
  app.send("use_as_query", row);
  app.update({ wanted: `Looking for pictures like ${app.cards.get(row)?.title ?? "this one"}…` });
}

/** A stacked bar around 0: what lowers the score to the left, what raises it to the right. */
function buildBar(app, colours) {
  const segments = colours.map((colour) => {
    const { hex, hatched } = app.state.data.palette[colour];
    const segment = h("span", { class: hatched ? "segment hatched" : "segment", "data-colour": colour });
    segment.style.setProperty("--part", hex);
    return segment;
  });
  const zero = h("span", { class: "zero" });
  return { node: h("span", { class: "bar", "aria-hidden": "true" }, ...segments, zero), segments, zero };
}

function fillBar(bar, shares, range) {
  const width = range.right + range.left || 1;
  let [left, right] = [range.left, range.left];
  shares.forEach((share, i) => {
    const length = Math.abs(share);
    if (share < 0) left -= length;
    const start = share < 0 ? left : right;
    if (share >= 0) right += length;
    bar.segments[i].style.left = `${(start / width) * 100}%`;
    bar.segments[i].style.width = `${(length / width) * 100}%`;
  });
  bar.zero.style.left = `${(range.left / width) * 100}%`;
  bar.zero.hidden = range.left === 0;
}

/** One scale for the bars of all shown cards. */
function barRange(app, rows) {
  const all = rows.map((row) => sharesOf(app.ranking, row));
  const side = (sign) => Math.max(0, ...all.map((shares) => sum(shares.filter((v) => v * sign > 0).map(Math.abs))));
  return { left: side(-1), right: side(1) };
}

/** Rank change since the change began: "▲2", "▼1", "new". */
function movedText(app, row) {
  const { base } = app.state;
  if (!base) return "";
  if (!base.shown.has(row)) return "new";
  const change = base.ranking.rank(row) - app.ranking.rank(row);
  if (!change) return "";
  return change > 0 ? `▲${change}` : `▼${-change}`;
}

/** Everything a card shows, from its row and its record. */
function fillCard(app, card, range) {
  const { ranking } = app;
  const rank = ranking.rank(card.row);
  const score = number(ranking.score(card.row));
  const moved = movedText(app, card.row);
  setAttribute(card.node, "data-rank", rank);
  setText(card.rank, String(rank));
  setText(card.score, score);
  setText(card.percentile, percentileText(ranking.percentile(card.row)));
  setText(card.moved, moved);
  if (card.keep) setAttribute(card.keep, "aria-pressed", String(app.state.data.kept.includes(card.row)));
  card.moved.className = `moved ${{ "▲": "up", "▼": "down", n: "new" }[moved[0]] ?? ""}`;
  fillBar(card.bar, sharesOf(ranking, card.row), range);
  if (!card.record) return setAttribute(card.open, "aria-label", `Rank ${rank}, picture on its way, score ${score}`);
  const view = viewOf(app, card.record, card.record.own_colours);
  paint(card.picture, view, app.schedule);
  const parts = partsText(app, card.picture, view.colours);
  const label = `Rank ${rank}, ${card.record.title}, score ${score}${parts ? `; ${parts}` : ""}`;
  return setAttribute(card.picture.canvas, "aria-label", label);
}

/** Make, replace (its record came or changed) and drop cards. */
function matchCards(app, rows) {
  const { cards } = app.refs.results;
  for (const row of rows) {
    const record = app.cards.get(row);
    const old = cards.get(row);
    if (old && old.record === record) continue;
    const card = createCard(app, row, record);
    if (old) old.node.replaceWith(card.node);
    cards.set(row, card);
  }
  const leaving = [...cards.values()].filter((card) => !rows.includes(card.row));
  for (const card of leaving) cards.delete(card.row);
  return leaving.map((card) => card.node);
}

function placesOf(nodes) {
  return new Map(nodes.map((node) => [node, node.getBoundingClientRect()]));
}

/** Put the nodes in this order, moving as few as possible and keeping the focus. */
function reorder(grid, nodes) {
  const focused = grid.getRootNode().activeElement;
  nodes.forEach((node, i) => {
    if (grid.children[i] !== node) grid.insertBefore(node, grid.children[i] ?? null);
  });
  if (focused && grid.contains(focused)) focused.focus({ preventScroll: true });
}

/** Let nodes glide from where they were to where they are; new ones fade in. */
function glide(nodes, before) {
  if (prefersNoMotion()) return;
  for (const node of nodes) {
    const now = node.getBoundingClientRect();
    const old = before.get(node);
    const [dx, dy] = old ? [old.left - now.left, old.top - now.top] : [0, 0];
    if (old && Math.hypot(dx, dy) < 1) continue;
    const frames = old
      ? [{ transform: `translate(${dx}px, ${dy}px)`, zIndex: 1 }, { transform: "none", zIndex: 1 }]
      : [{ opacity: 0, transform: "scale(0.96)" }, { opacity: 1, transform: "none" }];
    node.animate(frames, GLIDE);
  }
}

/** A card that leaves fades where it was, out of the others' way. */
function fadeOut(grid, node, place) {
  if (prefersNoMotion() || !place?.width) return node.remove();
  const origin = grid.getBoundingClientRect();
  const [left, top] = [place.left - origin.left, place.top - origin.top];
  node.style.cssText = `position: absolute; left: ${left}px; top: ${top}px;
    width: ${place.width}px; height: ${place.height}px`;
  for (const name of ["data-testid", "data-row", "data-rank"]) node.removeAttribute(name);
  node.inert = true;
  grid.append(node);
  const fade = node.animate([{ opacity: 1 }, { opacity: 0 }], { duration: 250, fill: "forwards" });
  fade.onfinish = () => node.remove();
  return undefined;
}

function arrange(app, rows) {
  const { grid, cards } = app.refs.results;
  const existing = [...cards.values()].map((card) => card.node);
  const shown = [...grid.children].slice(0, existing.length).map((node) => Number(node.dataset.row));
  const moves = !sameValue(shown, rows);
  const before = moves ? placesOf(existing) : null;
  const leaving = matchCards(app, rows);
  if (!moves) return;
  const running = existing.flatMap((node) => node.getAnimations());
  for (const animation of running) animation.cancel();
  for (const node of leaving) node.remove();
  const nodes = rows.map((row) => cards.get(row).node);
  reorder(grid, nodes);
  if (app.settled) glide(nodes, before);
  if (app.settled) for (const node of leaving) fadeOut(grid, node, before.get(node));
}

function renderResults(app) {
  const { state } = app;
  const { count, status, grid, empty, cards } = app.refs.results;
  const rows = shownRows(app);
  const total = app.ranking.order.length;
  arrange(app, rows);
  const range = barRange(app, rows);
  for (const row of rows) fillCard(app, cards.get(row), range);
  setText(count, total && app.table ? `${rows.length} of ${total}` : "");
  setText(status, state.wanted ?? state.data.busy ?? "");
  status.classList.toggle("active", Boolean(status.textContent));
  setAttribute(grid, "aria-busy", String(Boolean(state.wanted)));
  empty.hidden = rows.length > 0;
}
