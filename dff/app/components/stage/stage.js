// The stage: one state, one way for data to flow. Actions call `update` with a patch; `update`
// schedules `render`, which derives the ranking and lets every panel show the state.

const SEND_DELAY = 250; // ms after the last change of a weight
const BADGE_TIME = 4500; // ms that rank changes stay marked
const PENDING_TIME = 5000; // ms after which the server's word counts again

function createStage(root) {
  const app = { root, refs: {}, state: null, cards: new Map(), settled: false, timers: {} };
  let frame = 0;
  app.flush = () => {
    cancelAnimationFrame(frame);
    frame = 0;
    if (app.state) render(app);
  };
  app.schedule = () => {
    if (!frame) frame = requestAnimationFrame(app.flush);
  };
  app.update = (patch) => {
    Object.assign(app.state, patch);
    app.schedule();
  };
  root.tabIndex = -1;
  root.onkeydown = (event) => stageKey(app, event);
  root.onkeyup = (event) => {
    quietTyping(event);
    if (event.key === "h" && app.state?.peek) app.update({ peek: false });
  };
  root.onkeypress = (event) => void quietTyping(event); // a handler that returns false cancels
  root.onfocusout = () => app.state?.peek && app.update({ peek: false });
  const watcher = new ResizeObserver(() => {
    root.style.setProperty("--left-height", `${app.refs.left?.offsetHeight ?? 0}px`);
    app.schedule();
  });
  app.watcher = watcher;
  app.destroy = () => {
    watcher.disconnect();
    cancelAnimationFrame(frame);
    Object.values(app.timers).forEach(clearTimeout);
  };
  return app;
}

function freshState(data) {
  return {
    data,
    weights: [...data.weights],
    view: loadView(data.options),
    pending: { weights: null, box: undefined, names: {} },
    lit: null, peek: false, showWeights: false, editing: null,
    boxing: null, detail: data.opened, cell: null, base: null, wanted: null,
  };
}

/** New data: another version starts anew; the same version is taken in without a jump. */
function receive(app, fresh) {
  const old = app.state?.data;
  if (!old || old.version !== fresh.version) {
    startAnew(app, fresh);
    return;
  }
  const byRow = new Map(old.cards.map((card) => [card.row, card]));
  const data = {
    ...fresh,
    query: keepIfSame(old.query, fresh.query),
    parts: keepIfSame(old.parts, fresh.parts),
    scores: keepIfSame(old.scores, fresh.scores),
    cards: fresh.cards.map((card) => keepIfSame(byRow.get(card.row), card)),
  };
  if (data.scores !== old.scores) app.table = readScores(data.scores);
  const pending = settle(app.state.pending, data);
  const weights = pending.weights ? app.state.weights : [...data.weights];
  const used = app.table ? app.state.weights : old.weights;
  if (!sameNumbers(app.table ? weights : data.weights, used)) markBase(app);
  // While nothing is on its way from here, what we were waiting for has been answered.
  const wanted = pending.box ? app.state.wanted : null;
  Object.assign(app.state, { data, pending, weights, wanted });
  if (data.parts.length !== app.refs.parts.length || data.query !== old.query) {
    rebuild(app);
    return;
  }
  app.schedule();
}

/** Drop local values that the data now confirms, or that were sent too long ago. */
function settle(pending, data) {
  const late = (entry) => entry.at !== null && Date.now() - entry.at > PENDING_TIME;
  const names = Object.entries(pending.names).filter(([part, name]) => data.parts[part]?.name !== name && name !== "");
  const { weights, box } = pending;
  return {
    weights: weights && (late(weights) || sameNumbers(weights.value, data.weights)) ? null : weights,
    box: box && (late(box) || sameValue(box.value, data.query.box)) ? undefined : box,
    names: Object.fromEntries(names),
  };
}

function startAnew(app, data) {
  Object.values(app.timers).forEach(clearTimeout);
  app.refs.detail?.dialog.close();
  app.table = readScores(data.scores);
  app.state = freshState(data);
  rebuild(app);
}

function rebuild(app) {
  app.refs = {};
  app.settled = false;
  app.refs.left = h("div", { class: "left" }, buildStory(app), buildQuery(app), buildParts(app));
  app.root.replaceChildren(h("div", { class: "layout" }, app.refs.left, buildResults(app)), buildDetail(app));
  app.watcher.disconnect();
  app.watcher.observe(app.root);
  app.watcher.observe(app.refs.left);
  app.flush();
  app.settled = true;
}

/** Remember the ranks before a change, for "▲2"; several changes in a row count as one. */
function markBase(app) {
  app.state.base ??= { ranking: app.ranking, shown: new Set(shownRows(app)) };
  clearTimeout(app.timers.base);
  app.timers.base = setTimeout(() => app.update({ base: null }), BADGE_TIME);
}

function setWeights(app, weights) {
  if (sameNumbers(weights, app.state.weights)) return;
  if (app.table) markBase(app);
  clearTimeout(app.timers.send);
  app.timers.send = setTimeout(() => sendWeights(app), SEND_DELAY);
  app.update({ weights, pending: { ...app.state.pending, weights: { value: weights, at: null } } });
}

function sendWeights(app) {
  const { weights, pending } = app.state;
  app.update({ pending: { ...pending, weights: { value: weights, at: Date.now() } } });
  app.send("weights", weights);
  announce(app);
}

function cancelSending(app) {
  clearTimeout(app.timers.send);
}

function announce(app) {
  const [first] = app.ranking.order;
  const title = app.cards.get(first)?.title;
  if (title) setText(app.refs.results.live, `The order has changed. First is ${title}.`);
}

function light(app, colour) {
  if (app.state.lit !== colour) app.update({ lit: colour });
}

function stageKey(app, event) {
  if (quietTyping(event) || event.ctrlKey || event.metaKey || event.altKey || !app.state) return;
  if (/^[0-9]$/.test(event.key)) {
    event.preventDefault();
    event.stopPropagation();
    togglePart(app, (Number(event.key) + 9) % 10);
  }
  if (event.key === "h" && !event.repeat) app.update({ peek: true });
}

/** The ranking for the present weights; sorted again only when something in it changed. */
function rankNow(app) {
  const { data, weights } = app.state;
  const from = [app.table ?? data, weights];
  if (app.rankedFrom?.every((value, i) => value === from[i])) return app.ranking;
  app.rankedFrom = from;
  return app.table ? rankLocally(app.table, weights) : rankFromServer(data);
}

/** What the screen shows now decides the scale of the heat. */
function maximaNow(app) {
  const { query } = app.state.data;
  const cards = shownRows(app).map((row) => app.cards.get(row)).filter(Boolean);
  const items = [heatOf(app, query, null), ...cards.map((card) => heatOf(app, card, card.own_colours))];
  return maximaFor(items.filter((item) => item.heat), app.state.view.scale);
}

function render(app) {
  const { state, root } = app;
  const style = getComputedStyle(root);
  app.dark = isDark(style.getPropertyValue("--st-background-color"));
  app.font = style.fontFamily;
  root.classList.toggle("dark", app.dark);
  app.cards = new Map(state.data.cards.map((card) => [card.row, card]));
  app.ranking = rankNow(app);
  app.maxima = maximaNow(app);
  renderStory(app);
  renderQuery(app);
  renderParts(app);
  renderToolbar(app);
  renderResults(app);
  renderDetail(app);
}

/** What the server sent: the cards come as a text of their own, their boxes with the rest. */
function readData({ json, cards }) {
  const { boxes, ...data } = JSON.parse(json);
  return { ...data, cards: JSON.parse(cards).map((card, i) => ({ ...card, box: boxes[i] })) };
}

const stages = new WeakMap();

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  const root = parentElement.querySelector(".stage");
  if (!root || !data) return undefined;
  if (!stages.has(root)) stages.set(root, createStage(root));
  const app = stages.get(root);
  app.send = setTriggerValue;
  receive(app, readData(data));
  return () => {
    app.destroy();
    stages.delete(root);
  };
}
