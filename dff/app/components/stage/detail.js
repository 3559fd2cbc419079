// The detail dialog: query and match side by side, and where the score comes from.

const TELL_DELAY = 400; // ms after the last step: the address follows when the reader stays

function openDetail(app, row) {
  app.update({ detail: row, cell: null, lit: null });
  tellOpened(app);
}

function closeDetail(app) {
  if (app.state.detail === null) return;
  app.update({ detail: null, cell: null, lit: null });
  tellOpened(app);
}

/** The open result belongs in the address; -1 is none. */
function tellOpened(app) {
  clearTimeout(app.timers.opened);
  app.timers.opened = setTimeout(() => app.send("open", app.state.detail ?? -1), TELL_DELAY);
}

/** The result before or after this one, among those whose picture has come. */
function neighbour(app, step) {
  const rows = shownRows(app).filter((row) => app.cards.has(row));
  return rows[rows.indexOf(app.state.detail) + step] ?? null;
}

function stepDetail(app, step) {
  const row = neighbour(app, step);
  if (row !== null) openDetail(app, row);
}

function buildDetail(app) {
  const button = (testid, label, name, onclick) =>
    h("button", {
      class: "icon-button", type: "button", "data-testid": testid, "aria-label": label, title: label, onclick,
    }, icon(name));
  const refs = {
    title: h("h2", { id: "detail-title", "data-testid": "detail-title", tabindex: -1 }),
    facts: h("p", { class: "muted", "data-testid": "detail-facts" }),
    previous: button("detail-previous", "Previous result", "left", () => stepDetail(app, -1)),
    next: button("detail-next", "Next result", "right", () => stepDetail(app, 1)),
    use: h("button", { class: "primary", type: "button", "data-testid": "detail-use", text: "Use as query" }),
    ask: [[1, "+ More like this too"], [-1, "− Less like this"]].map(([sign, text]) => {
      const onclick = () => app.send("ask", { row: app.state.detail, sign });
      // An uploaded picture is not of the collection and cannot be asked about with others.
      return h("button", { class: "quiet ask", type: "button", "data-testid": sign > 0 ? "detail-more" : "detail-less", text, onclick, hidden: !app.state.data.query.id });
    }),
    body: h("div", { class: "detail-body" }),
    drawn: "",
    late: [],
  };
  refs.use.onclick = () => {
    const row = app.state.detail;
    closeDetail(app);
    useAsQuery(app, row);
  };
  const close = button("detail-close", "Close", "close", () => closeDetail(app));
  refs.dialog = h("dialog", { class: "detail", "data-testid": "detail", "aria-labelledby": "detail-title" },
    h("header", { class: "detail-head" },
      refs.previous, refs.next, h("div", { class: "detail-title" }, refs.title, refs.facts), ...refs.ask, refs.use, close),
    refs.body);
  refs.dialog.onclose = () => closeDetail(app);
  refs.dialog.onclick = (event) => {
    if (event.target === refs.dialog) closeDetail(app);
  };
  refs.dialog.onkeydown = (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step) return;
    event.preventDefault();
    stepDetail(app, step);
  };
  app.refs.detail = refs;
  return refs.dialog;
}

/** Letters for the match's own parts, so that they are not taken for those of the query. */
function letter(j) {
  return String.fromCharCode(65 + j);
}

function detailPicture(app, caption, source) {
  const picture = createPicture(`detail-${source}`);
  const text = h("figcaption", { text: caption.filter(Boolean).join(" · ") });
  return { picture, node: h("figure", {}, h("div", { class: "frame detail-frame" }, picture.wrap), text) };
}

function fitDetail(picture, record, shown) {
  const ratio = record.width / record.height;
  sizePicture(picture, record, shown, [`calc(var(--detail-height) * ${ratio.toFixed(4)})`]);
}

function fillDetail(app, record) {
  const { refs } = app;
  const { query } = app.state.data;
  const left = detailPicture(app, [`Your picture: ${query.title}`, query.note], "query");
  const right = detailPicture(app, [`Match: ${record.title}`, record.note], "match");
  fitDetail(left.picture, query, query);
  fitDetail(right.picture, record, { width: record.thumb_width ?? record.width, height: record.thumb_height ?? record.height });
  const lightJoint = (side, colours) => lightUnderPointer(app, side.picture, () => colours);
  const partColours = app.state.data.parts.map((part) => part.colour);
  lightJoint(left, partColours);
  lightJoint(right, partColours);
  refs.detail.late = [];
  refs.detail.pictures = [left.picture, right.picture];
  refs.detail.body.replaceChildren(
    h("div", { class: "pair" }, left.node, right.node),
    ...buildTables(app, record),
    h("div", { class: "detail-test" },
      h("p", { class: "fine", text: "The split is exact arithmetic, not proof of cause." }),
      h("button", {
        class: "quiet bordered", type: "button", "data-testid": "detail-test", text: "Test it: hide a part",
        onclick: () => testResult(app, record.row),
      })));
}

/** The test is a dialog of the page's own, which would lie under this one. */
function testResult(app, row) {
  closeDetail(app);
  clearTimeout(app.timers.opened); // a second run would close the page's dialog
  app.send("test", row);
}

/** Light one region only; its own maximum is the scale, so that a weak one shows as well. */
function regionView(app, picture, heat, colours, j, names) {
  return viewOf(app, picture, null, {
    heat, colours, names,
    maxima: readHeat(heat).maxima,
    strengths: colours.map((_, i) => (i === j ? 1 : 0.08)),
    box: null, detail: 288, badge: 12,
  });
}

/** Both pictures: joint parts, or the pair of regions whose cell is looked at. */
function paintDetail(app, record) {
  const { state } = app;
  const { query } = state.data;
  const [left, right] = app.refs.detail.pictures;
  const colours = state.data.parts.map((part) => part.colour);
  const numbers = state.data.parts.map((part) => String(part.number));
  const { cell } = state;
  const jointItems = [query.joint, record.joint].filter(Boolean).map((heat) => ({ heat, colours }));
  const joint = (picture) => viewOf(app, picture, null, {
    heat: picture.joint, colours,
    maxima: picture.joint ? maximaFor(jointItems, state.view.scale)(picture.joint, colours) : null,
    detail: 288, badge: 12,
  });
  const regionSide = (picture, heat, own, j, names) =>
    cell && j !== null && heat ? regionView(app, picture, heat, own, j, names) : joint(picture);
  const letters = record.own_colours.map((_, j) => letter(j));
  paint(left, regionSide(query, query.heat, colours, cell?.i ?? null, numbers), app.schedule);
  paint(right, regionSide(record, record.own, record.own_colours, cell?.j ?? null, letters), app.schedule);
  setAttribute(left.canvas, "aria-label", `Query, ${query.title}; ${partsText(app, left, colours)}`);
  setAttribute(right.canvas, "aria-label", `Match, ${record.title}; ${partsText(app, right, colours)}`);
}

function detailFacts(app, row) {
  const place = percentileText(app.ranking.percentile(row));
  const category = app.cards.get(row)?.category;
  return [`Score ${number(app.ranking.score(row))}`, place, category].filter(Boolean).join(" · ");
}

function renderDetail(app) {
  const { state } = app;
  const { dialog, title, facts, previous, next } = app.refs.detail;
  const record = state.detail === null ? null : app.cards.get(state.detail);
  if (!record) {
    if (dialog.open) dialog.close();
    return;
  }
  const names = JSON.stringify(state.data.parts.map((part) => nameOf(state, part)));
  const key = [idOf(record), app.ranking.weights.join(), app.dark, names].join("|");
  const fresh = key !== app.refs.detail.drawn;
  if (fresh) fillDetail(app, record);
  app.refs.detail.drawn = key;
  if (!dialog.open) {
    dialog.showModal();
    dialog.scrollTop = 0;
    title.focus({ preventScroll: true });
  }
  setText(title, `${app.ranking.rank(record.row)}. ${record.title}`);
  setText(facts, detailFacts(app, record.row));
  previous.disabled = neighbour(app, -1) === null;
  next.disabled = neighbour(app, 1) === null;
  paintDetail(app, record);
  renderTables(app);
  app.refs.detail.late = app.refs.detail.late.filter((drawLate) => !drawLate());
}
