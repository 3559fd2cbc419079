// The chart of ranks: columns of pictures, and lines between the same picture in neighbouring
// columns. Texts are set by textContent only.

// px of a column under which titles, and then sentences, give way
const TITLES = 264;
const SENTENCES = 150;
const TIP = 264; // px, as in bump.css
const SPACE = "http://www.w3.org/2000/svg";

function h(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "text") node.textContent = value;
    else if (name.startsWith("on")) node[name] = value;
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children);
  return node;
}

function path(line, row, kind) {
  const node = document.createElementNS(SPACE, "path");
  node.setAttribute("d", line);
  node.setAttribute("class", `line ${kind}`);
  node.dataset.row = row;
  return node;
}

function number(score) {
  return score.toFixed(3).replace("-", "−");
}

// --- building ----------------------------------------------------------------------------

function build(app) {
  const { data } = app;
  app.root.style.setProperty("--columns", data.columns.length);
  app.lines = document.createElementNS(SPACE, "svg");
  app.lines.setAttribute("class", "lines");
  app.lines.setAttribute("aria-hidden", "true");
  app.tip = h("div", { class: "tip", hidden: true, "data-testid": "tip", "aria-hidden": "true" });
  app.body = h("div", { class: "body" }, app.lines, ...data.columns.map((_, c) => column(app, c)), app.tip);
  app.body.onpointerleave = () => look(app, null);
  app.body.onfocusout = (event) => !app.body.contains(event.relatedTarget) && look(app, null);
  app.body.onkeydown = (event) => walk(app, event);
  const heads = h("div", { class: "heads" }, ...data.columns.map(head));
  app.root.replaceChildren(heads, app.body, legend(data), about(data));
  app.cards = [...app.body.querySelectorAll(".card")];
  if (app.cards.length) app.cards[0].tabIndex = 0;
  app.width = 0;
  place(app);
}

function head(column) {
  return h("div", { class: "head" },
    h("h3", { text: column.title }),
    h("p", { class: "says", text: column.says }),
    h("p", { class: "fine", text: `${column.method}. ${column.paper}` }));
}

/** Where columns are too narrow for sentences, these stand below. */
function about(data) {
  return h("dl", { class: "about" }, ...data.columns.flatMap((column) => [
    h("dt", { text: column.title }),
    h("dd", { text: `${column.says} ${column.method}. ${column.paper}` }),
  ]));
}

function legend(data) {
  const parts = [
    "A line joins the same picture in neighbouring columns.",
    "A number beside a card is the picture's rank in the column on that side, which does not show it.",
    "A dashed frame: in no other column.",
  ];
  if (data.category) parts.push(`✓ and a thick line: “${data.category}”, like the query.`);
  return h("p", { class: "fine legend", text: parts.join(" ") });
}

function column(app, c) {
  const { data } = app;
  const list = h("div", { class: "column", role: "list", "aria-label": data.columns[c].title });
  data.columns[c].rows.forEach((row, i) => list.append(h("div", { role: "listitem" }, card(app, c, i, row))));
  return list;
}

function card(app, c, i, row) {
  const { data } = app;
  const picture = data.pictures[row];
  const alone = data.columns.every((other, n) => n === c || !other.rows.includes(row));
  const check = picture.correct ? h("span", { class: "check", text: "✓", "aria-hidden": "true" }) : "";
  const node = h("button", {
    type: "button",
    class: `card${picture.correct ? " correct" : ""}${alone ? " alone" : ""}`,
    tabindex: -1,
    "data-row": row,
    "data-column": c,
    "data-place": i,
    "data-testid": "bump-card",
    "aria-label": sentence(data, c, i, picture, alone),
    "aria-pressed": String(row === data.marked),
    onpointerenter: () => look(app, node),
    onfocus: () => look(app, node),
    onclick: () => app.send("pick", row),
  },
  h("span", { class: "rank", text: String(i + 1) }),
  h("span", { class: "frame" }, h("img", { src: picture.image, alt: "", draggable: "false" }), check),
  h("span", { class: "title", text: picture.title }));
  return node;
}

function sentence(data, c, i, picture, alone) {
  const others = data.columns.flatMap((column, n) =>
    n === c ? [] : [`${column.title}: rank ${picture.ranks[n]}, score ${number(picture.scores[n])}`]);
  return [
    `${data.columns[c].title}, rank ${i + 1}: ${picture.title}, score ${number(picture.scores[c])}`,
    picture.correct ? "same category as the query" : null,
    alone ? "in no other column" : null,
    ...others,
  ].filter(Boolean).join("; ");
}

// --- lines -------------------------------------------------------------------------------

/** Lines and labels, for the present width. */
function place(app) {
  const width = app.body.clientWidth;
  if (!width || width === app.width) return;
  app.width = width;
  const { data } = app;
  const step = width / data.columns.length;
  app.root.classList.toggle("bare", step < TITLES);
  app.root.classList.toggle("narrow", step < SENTENCES);
  const half = (app.cards[0]?.offsetWidth ?? 0) / 2;
  const height = app.cards.length ? app.cards[0].parentElement.offsetHeight : 0;
  app.lines.setAttribute("viewBox", `0 0 ${width} ${data.top * height}`);
  app.lines.style.height = `${data.top * height}px`;
  const middle = (c) => (c + 0.5) * step;
  const down = (i) => (i + 0.5) * height;
  const nodes = [];
  for (const label of app.body.querySelectorAll(".elsewhere")) label.remove();
  data.columns.forEach((column, c) => column.rows.forEach((row, i) => {
    const kind = data.pictures[row].correct ? "correct" : "";
    const next = data.columns[c + 1];
    if (next) {
      const [x0, y0, x1] = [middle(c) + half, down(i), middle(c + 1) - half];
      const j = next.rows.indexOf(row);
      const bend = (x0 + x1) / 2;
      if (j >= 0) nodes.push(path(`M${x0},${y0} C${bend},${y0} ${bend},${down(j)} ${x1},${down(j)}`, row, kind));
      else elsewhere(app, nodes, row, kind, c, c + 1, x0, y0, Math.min(26, (x1 - x0) / 3));
    }
    if (c > 0 && !data.columns[c - 1].rows.includes(row)) {
      const room = 2 * (step / 2 - half);
      elsewhere(app, nodes, row, kind, c, c - 1, middle(c) - half, down(i), -Math.min(26, room / 3));
    }
  }));
  app.lines.replaceChildren(...nodes);
  paint(app);
}

/** A short dotted end towards a column that does not show the picture, with its rank there. */
function elsewhere(app, nodes, row, kind, c, other, x, y, reach) {
  nodes.push(path(`M${x},${y} h${reach}`, row, `${kind} open`));
  if (Math.abs(reach) < 16) return;
  const label = h("span", { class: "elsewhere", "data-row": row, "aria-hidden": "true", text: String(app.data.pictures[row].ranks[other]) });
  const at = x + reach + Math.sign(reach) * 3;
  label.style.top = `${y}px`;
  label.style.left = `${at}px`;
  label.classList.toggle("before", reach < 0);
  app.body.append(label);
}

// --- looking -----------------------------------------------------------------------------

function look(app, node) {
  app.looked = node ? node.dataset.row : null;
  paint(app);
  app.tip.hidden = !node;
  if (node) tell(app, node);
}

/** The lines and cards of one picture in front of all others. */
function paint(app) {
  app.body.classList.toggle("looking", app.looked !== null);
  const marked = String(app.data.marked);
  for (const node of app.body.querySelectorAll("[data-row]")) {
    node.classList.toggle("on", node.dataset.row === app.looked);
    node.classList.toggle("marked", node.dataset.row === marked);
  }
  app.lines.append(...app.lines.querySelectorAll(".marked"), ...app.lines.querySelectorAll(".on"));
}

function tell(app, node) {
  const { data } = app;
  const picture = data.pictures[node.dataset.row];
  const rows = data.columns.map((column, c) => h("tr", { class: c === Number(node.dataset.column) ? "own" : null },
    h("th", { scope: "row", text: column.title }),
    h("td", { text: String(picture.ranks[c]) }),
    h("td", { text: number(picture.scores[c]) })));
  const kind = picture.correct ? `✓ ${picture.category}, like the query` : picture.category;
  app.tip.replaceChildren(
    h("strong", { text: picture.title }),
    h("span", { class: "fine", text: kind }),
    h("table", {},
      h("thead", {}, h("tr", {}, h("th"), h("th", { text: `Rank of ${data.count}` }), h("th", { text: "Score" }))),
      h("tbody", {}, ...rows)));
  // Beside the card, inside the chart: below it, or above where there is no room.
  const [card, body] = [node.getBoundingClientRect(), app.body.getBoundingClientRect()];
  const wide = Math.min(TIP, body.width);
  const left = Math.min(Math.max(card.left - body.left + card.width / 2 - wide / 2, 0), body.width - wide);
  const below = card.bottom - body.top + 8;
  const fits = below + app.tip.offsetHeight <= body.height;
  app.tip.style.left = `${left}px`;
  app.tip.style.top = `${fits ? below : Math.max(card.top - body.top - 8 - app.tip.offsetHeight, 0)}px`;
}

/** Arrow keys walk the cards; the chart is one tab stop. */
function walk(app, event) {
  const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
  const from = event.target.closest?.(".card");
  if (event.key === "Escape") look(app, null);
  if (!step || !from) return;
  event.preventDefault();
  event.stopPropagation();
  const [c, i] = [Number(from.dataset.column) + step[0], Number(from.dataset.place) + step[1]];
  const next = app.cards.find((card) => Number(card.dataset.column) === c && Number(card.dataset.place) === i);
  if (!next) return;
  from.tabIndex = -1;
  next.tabIndex = 0;
  next.focus();
}

// --- the component -----------------------------------------------------------------------

const charts = new WeakMap();

function receive(app, data) {
  const text = JSON.stringify({ ...data, marked: null });
  const changed = text !== app.text;
  Object.assign(app, { data, text });
  if (changed) {
    app.looked = null;
    build(app);
  }
  for (const card of app.cards) card.setAttribute("aria-pressed", String(card.dataset.row === String(data.marked)));
  paint(app);
}

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  const root = parentElement.querySelector(".bump");
  if (!root || !data) return undefined;
  if (!charts.has(root)) {
    const app = { root, text: "", looked: null };
    app.watch = new ResizeObserver(() => app.body && place(app));
    app.watch.observe(root);
    charts.set(root, app);
  }
  const app = charts.get(root);
  app.send = setTriggerValue;
  receive(app, data);
  return () => {
    app.watch.disconnect();
    charts.delete(root);
  };
}
