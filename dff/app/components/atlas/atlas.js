// The map: drawn on one canvas, and beside it what a frame has caught. Texts are textContent only.

const ASK_DELAY = 150; // ms after the last change before missing pictures are asked for
const KEPT_PICTURES = 1500; // in the browser
const MOST_ASKED = 400;
const LISTED = 60; // chosen pictures that are listed
const GLIDE = 700; // ms in which pictures go to their new places
const CLICK = 4; // pixels a pointer may move in a click

Object.assign(ICONS, {
  move: "M12 4v16M4 12h16M12 4l-2.5 2.5M12 4l2.5 2.5M12 20l-2.5-2.5M12 20l2.5-2.5M4 12l2.5-2.5M4 12l2.5 2.5M20 12l-2.5-2.5M20 12l-2.5 2.5",
  plus: "M12 5v14M5 12h14",
  minus: "M5 12h14",
  whole: "M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5",
});

function createAtlas(root) {
  const app = {
    root, ids: [], titles: [], points: new Float32Array(), pictures: new Map(), view: wholeView(),
    size: { width: 1, height: 1 }, mode: "select", chosen: new Set(), at: -1, over: -1, frame: null, pointers: new Map(), asking: 0, drawing: 0,
  };
  build(app);
  return app;
}

function receive(app, data) {
  app.data = data;
  const points = new Float32Array(bytesOf(data.points).buffer);
  if (!sameValue(app.ids, data.ids)) {
    Object.assign(app, { ids: data.ids, points, view: wholeView(), chosen: new Set(), at: -1, over: -1, glide: null });
    app.pictures.clear(); // rows are others' now
    renderChosen(app);
  } else if (!sameNumbers(app.points, points)) {
    if (!prefersNoMotion() && app.points.length === points.length) app.glide = { from: app.points, begun: performance.now() };
    app.points = points;
  }
  app.titles = data.titles;
  for (const [row, source] of Object.entries(data.pictures)) keepPicture(app, Number(row), source);
  app.canvas.setAttribute("aria-label", `Map of ${app.ids.length} pictures, alike ones near each other. An arrow key goes to the nearest picture on that side, Enter chooses it, plus and minus enlarge.`);
  arrange(app);
  renderChosen(app);
}

function keepPicture(app, row, source) {
  if (app.pictures.get(row)?.src === source) return;
  const image = new Image();
  image.onload = () => schedule(app);
  if (source) image.src = source;
  app.pictures.delete(row);
  app.pictures.set(row, image);
  while (app.pictures.size > KEPT_PICTURES) app.pictures.delete(app.pictures.keys().next().value);
}

// --- what is where -------------------------------------------------------------------------

/** After a change of places, window or scale. */
function arrange(app) {
  app.shown = new Set(roomy(app.points, app.view, app.size));
  place(app);
}

/** Where every picture is on the screen, after any change of the view. */
function place(app) {
  const { points, view, size, glide } = app;
  const t = glide ? clamp((performance.now() - glide.begun) / GLIDE, 0, 1) : 1;
  const eased = 1 - (1 - t) ** 3;
  app.places = new Float32Array(points.length);
  for (let i = 0; i < points.length; i += 2) {
    const x = glide ? glide.from[i] + (points[i] - glide.from[i]) * eased : points[i];
    const y = glide ? glide.from[i + 1] + (points[i + 1] - glide.from[i + 1]) * eased : points[i + 1];
    [app.places[i], app.places[i + 1]] = toScreen(view, size, x, y);
  }
  if (t === 1) app.glide = null;
  ask(app);
  schedule(app);
}

function look(app, view) {
  const rescaled = view.scale !== app.view.scale;
  app.view = view;
  if (rescaled) arrange(app);
  else place(app);
  renderZoom(app);
}

function onScreen(app, row) {
  const [left, top] = [app.places[2 * row], app.places[2 * row + 1]];
  return left > -TILE && top > -TILE && left < app.size.width + TILE && top < app.size.height + TILE;
}

function ask(app) {
  clearTimeout(app.asking);
  app.asking = setTimeout(() => {
    const seen = [...app.shown].filter((row) => onScreen(app, row));
    const wanted = [...seen, ...[...app.chosen].slice(0, LISTED), ...[app.over, app.at].filter((row) => row >= 0)];
    const missing = [...new Set(wanted)].filter((row) => !app.pictures.has(row)).slice(0, MOST_ASKED);
    if (missing.length) app.send("needed", missing);
  }, ASK_DELAY);
}

// --- drawing -------------------------------------------------------------------------------

function schedule(app) {
  if (app.drawing) return;
  app.drawing = requestAnimationFrame(() => {
    app.drawing = 0;
    if (app.glide) place(app);
    draw(app);
  });
}

function draw(app) {
  const { canvas, size, places, chosen } = app;
  const ratio = devicePixelRatio || 1;
  const [width, height] = [Math.round(size.width * ratio), Math.round(size.height * ratio)];
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const c = canvas.getContext("2d");
  const style = getComputedStyle(canvas);
  app.paint = { text: style.color, ground: style.getPropertyValue("--ground"), accent: style.getPropertyValue("--accent"), line: style.getPropertyValue("--line") };
  c.setTransform(ratio, 0, 0, ratio, 0, 0);
  c.clearRect(0, 0, size.width, size.height);
  const some = chosen.size > 0;
  for (let row = 0; row < app.ids.length; row += 1) {
    if (app.shown.has(row) || !onScreen(app, row)) continue;
    c.globalAlpha = some && !chosen.has(row) ? 0.25 : 0.55;
    c.fillStyle = chosen.has(row) ? app.paint.accent : app.paint.text;
    c.beginPath();
    c.arc(places[2 * row], places[2 * row + 1], chosen.has(row) ? 5 : 3, 0, 2 * Math.PI);
    c.fill();
  }
  for (const row of app.shown) if (row !== app.over && row !== app.at) drawTile(app, c, row, TILE - 4, some && !chosen.has(row) ? 0.3 : 1);
  for (const row of new Set([app.at, app.over])) if (row >= 0) drawTile(app, c, row, TILE + 14, 1);
  c.globalAlpha = 1;
  if (app.frame) drawFrame(app, c);
  setAttribute(canvas, "data-shown", app.shown.size);
}

function drawTile(app, c, row, side, alpha) {
  if (!onScreen(app, row)) return;
  const image = app.pictures.get(row);
  const [left, top] = [app.places[2 * row] - side / 2, app.places[2 * row + 1] - side / 2];
  c.globalAlpha = alpha;
  c.save();
  c.beginPath();
  c.roundRect(left, top, side, side, 5);
  c.fillStyle = app.paint.line;
  c.fill();
  c.clip();
  if (image?.naturalWidth) {
    const cut = Math.min(image.naturalWidth, image.naturalHeight);
    c.drawImage(image, (image.naturalWidth - cut) / 2, (image.naturalHeight - cut) / 2, cut, cut, left, top, side, side);
  }
  c.restore();
  const marked = app.chosen.has(row) || (row === app.at && app.focused);
  c.lineWidth = marked ? 3 : 1;
  c.strokeStyle = marked ? app.paint.accent : app.paint.ground;
  c.beginPath();
  c.roundRect(left, top, side, side, 5);
  c.stroke();
}

function drawFrame(app, c) {
  const [left, top, right, bottom] = app.frame;
  c.fillStyle = app.paint.accent;
  c.globalAlpha = 0.14;
  c.fillRect(left, top, right - left, bottom - top);
  c.globalAlpha = 1;
  c.lineWidth = 2;
  c.strokeStyle = app.paint.accent;
  c.strokeRect(left, top, right - left, bottom - top);
}

// --- controls ------------------------------------------------------------------------------

function build(app) {
  app.canvas = h("canvas", {
    class: "plane", tabindex: 0, role: "application", "data-testid": "plane",
    onpointerdown: (event) => press(app, event), onpointermove: (event) => drag(app, event),
    onpointerup: (event) => release(app, event), onpointercancel: (event) => abandon(app, event),
    onpointerleave: () => hover(app, -1), ondblclick: (event) => enlarge(app, 2, event.offsetX, event.offsetY),
    onkeydown: (event) => key(app, event),
    onfocus: () => { app.focused = app.canvas.matches(":focus-visible"); schedule(app); },
    onblur: () => { app.focused = false; schedule(app); },
  });
  app.canvas.addEventListener("wheel", (event) => wheel(app, event), { passive: false });
  app.tip = h("div", { class: "tip", hidden: true, "aria-hidden": "true" });
  app.told = h("p", { class: "unseen", "aria-live": "polite", "data-testid": "told" });
  const mode = (value, text, sign) => h("button", { type: "button", "data-testid": `mode-${value}`, onclick: () => { app.mode = value; renderMode(app); } }, icon(sign), h("span", { text }));
  app.modes = { select: mode("select", "Select", "region"), move: mode("move", "Move", "move") };
  const tool = (label, sign, does) => h("button", { class: "icon-button", type: "button", title: label, "aria-label": label, onclick: does }, icon(sign));
  const middle = (factor) => enlarge(app, factor, app.size.width / 2, app.size.height / 2);
  app.smaller = tool("Smaller", "minus", () => middle(1 / 1.6));
  app.larger = tool("Larger", "plus", () => middle(1.6));
  app.whole = tool("The whole map", "whole", () => look(app, wholeView()));
  app.panel = h("section", { class: "caught", "aria-label": "Chosen pictures" });
  app.root.replaceChildren(h("div", { class: "with-panel" },
    h("div", { class: "window" },
      h("div", { class: "tools" }, h("div", { class: "segmented", role: "group", "aria-label": "What dragging does" }, app.modes.select, app.modes.move),
        h("span", { class: "zoom" }, app.smaller, app.larger, app.whole)),
      app.canvas, app.tip, app.told),
    app.panel));
  app.observer = new ResizeObserver(() => {
    app.size = { width: Math.max(1, app.canvas.clientWidth), height: Math.max(1, app.canvas.clientHeight) };
    if (app.data) arrange(app);
  });
  app.observer.observe(app.canvas);
  renderMode(app);
  renderZoom(app);
}

function renderMode(app) {
  for (const [value, node] of Object.entries(app.modes)) setAttribute(node, "aria-pressed", String(value === app.mode));
  app.canvas.classList.toggle("moving", app.mode === "move");
}

function renderZoom(app) {
  app.smaller.disabled = app.whole.disabled = app.view.scale <= 1;
  app.larger.disabled = app.view.scale >= DEEPEST;
}

function enlarge(app, factor, left, top) {
  look(app, zoomed(app.view, app.size, factor, left, top));
}

/** The page scrolls as ever; with Ctrl or ⌘, or two fingers on a trackpad, the map is enlarged. */
function wheel(app, event) {
  if (!event.ctrlKey && !event.metaKey) return;
  event.preventDefault();
  enlarge(app, Math.exp(-event.deltaY * 0.005), event.offsetX, event.offsetY);
}

function press(app, event) {
  if (event.button !== 0) return;
  app.canvas.setPointerCapture(event.pointerId);
  app.pointers.set(event.pointerId, [event.offsetX, event.offsetY]);
  app.begin = [event.offsetX, event.offsetY];
  app.dragged = app.pointers.size > 1;
  app.frame = null;
}

function drag(app, event) {
  const held = app.pointers.get(event.pointerId);
  const now = [event.offsetX, event.offsetY];
  if (!held) return hover(app, nearest(app.places, app.shown, ...now, 9));
  if (Math.hypot(now[0] - app.begin[0], now[1] - app.begin[1]) > CLICK) app.dragged = true;
  if (app.pointers.size === 2) pinch(app, event.pointerId, now);
  else if (app.dragged && app.mode === "move") look(app, moved(app.view, app.size, now[0] - held[0], now[1] - held[1]));
  else if (app.dragged) {
    app.frame = [Math.min(now[0], app.begin[0]), Math.min(now[1], app.begin[1]), Math.max(now[0], app.begin[0]), Math.max(now[1], app.begin[1])];
    schedule(app);
  }
  app.pointers.set(event.pointerId, now);
}

/** Two fingers: what is between them stays between them. */
function pinch(app, id, now) {
  const [other] = [...app.pointers].filter(([pointer]) => pointer !== id).map(([, place]) => place);
  const was = app.pointers.get(id);
  const factor = Math.hypot(now[0] - other[0], now[1] - other[1]) / Math.max(1, Math.hypot(was[0] - other[0], was[1] - other[1]));
  const view = moved(app.view, app.size, (now[0] - was[0]) / 2, (now[1] - was[1]) / 2);
  app.frame = null;
  look(app, zoomed(view, app.size, factor, (now[0] + other[0]) / 2, (now[1] + other[1]) / 2));
}

function release(app, event) {
  if (!app.pointers.delete(event.pointerId)) return;
  const more = event.shiftKey || event.ctrlKey || event.metaKey;
  if (app.frame) choose(app, framed(app), more);
  else if (!app.dragged) clicked(app, nearest(app.places, app.shown, event.offsetX, event.offsetY, 9), more);
  app.frame = null;
  schedule(app);
}

function abandon(app, event) {
  app.pointers.delete(event.pointerId);
  app.frame = null;
  schedule(app);
}

function framed(app) {
  const [left, top, right, bottom] = app.frame;
  return app.ids.map((_, row) => row).filter((row) => {
    const [x, y] = [app.places[2 * row], app.places[2 * row + 1]];
    return x >= left && x <= right && y >= top && y <= bottom;
  });
}

function clicked(app, row, more) {
  if (row < 0) return more || choose(app, []);
  goTo(app, row);
  return choose(app, [row], more);
}

/** These pictures alone; or, with `more`, besides the others, and one that is chosen no longer. */
function choose(app, rows, more = false) {
  const only = rows.length === 1 ? rows[0] : -1;
  const drop = only >= 0 && app.chosen.has(only) && (more || app.chosen.size === 1);
  app.chosen = new Set(more || drop ? [...app.chosen, ...rows] : rows);
  if (drop) app.chosen.delete(only);
  ask(app);
  schedule(app);
  renderChosen(app);
}

function hover(app, row) {
  if (row === app.over) return;
  app.over = row;
  renderTip(app, row);
  ask(app);
  schedule(app);
}

function renderTip(app, row) {
  app.tip.hidden = row < 0;
  if (row < 0) return;
  setText(app.tip, app.titles[row]);
  const [left, top] = [app.places[2 * row], app.places[2 * row + 1]];
  const below = top < app.size.height - 90;
  Object.assign(app.tip.style, {
    left: `${clamp(left, 90, Math.max(90, app.size.width - 90))}px`,
    top: `${app.canvas.offsetTop + top + (below ? TILE / 2 + 14 : -TILE / 2 - 14)}px`,
    transform: below ? "translateX(-50%)" : "translate(-50%, -100%)",
  });
}

function goTo(app, row) {
  app.at = row;
  setText(app.told, app.titles[row]);
  if (!onScreen(app, row) || Math.min(app.places[2 * row], app.places[2 * row + 1], app.size.width - app.places[2 * row], app.size.height - app.places[2 * row + 1]) < TILE / 2) {
    look(app, held({ ...app.view, x: app.points[2 * row], y: app.points[2 * row + 1] }));
  }
  ask(app);
  schedule(app);
}

function key(app, event) {
  if (event.altKey || event.ctrlKey || event.metaKey) return;
  const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
  const middle = [app.size.width / 2, app.size.height / 2];
  if (step) {
    app.focused = true;
    goTo(app, app.at < 0 ? nearest(app.places, app.shown, ...middle, Infinity) : neighbour(app.places, app.at, ...step));
    renderTip(app, app.at);
  } else if (event.key === "Enter" || event.key === " ") { if (app.at >= 0) choose(app, [app.at], true); }
  else if (event.key === "+" || event.key === "=") enlarge(app, 1.6, ...(app.at >= 0 ? [app.places[2 * app.at], app.places[2 * app.at + 1]] : middle));
  else if (event.key === "-") enlarge(app, 1 / 1.6, ...middle);
  else if (event.key === "0") look(app, wholeView());
  else if (event.key === "Escape" && app.chosen.size) choose(app, []);
  else return;
  event.preventDefault();
  event.stopPropagation();
}

// --- what was chosen -----------------------------------------------------------------------

function renderChosen(app) {
  if (!app.data) return;
  const rows = [...app.chosen];
  if (!rows.length) {
    app.panel.replaceChildren(
      h("h3", { text: "Nothing chosen" }),
      h("p", { class: "muted", text: "Draw a frame around some pictures, or click one. Shift adds to what is chosen." }),
      h("p", { class: "muted", text: "Arrow keys go from picture to picture, + and − enlarge. Ctrl and the mouse wheel do, too." }));
    return;
  }
  const { most, explore, concepts } = app.data;
  const ids = rows.slice(0, most).map((row) => encodeURIComponent(app.ids[row]));
  const together = rows.length > most ? `What the first ${most} share` : "What they share";
  const clear = h("button", { class: "quiet", type: "button", text: "None", "aria-label": "Choose none", "data-testid": "choose-none", onclick: () => { choose(app, []); app.canvas.focus(); } });
  app.panel.replaceChildren(...[
    h("header", { class: "row-head" }, h("h3", { text: rows.length === 1 ? "1 picture" : `${rows.length} pictures`, "data-testid": "caught-count" }), clear),
    rows.length > 1 ? h("a", { class: "primary", href: `${concepts}${ids.join(",")}`, target: "_blank", text: together, "data-testid": "open-concepts" }) : null,
    h("ul", { class: "caught-list" }, ...rows.slice(0, LISTED).map((row) => caught(app, row))),
    rows.length > LISTED ? h("p", { class: "fine", text: `And ${rows.length - LISTED} more.` }) : null,
  ].filter(Boolean));
}

function caught(app, row) {
  const image = h("img", { alt: "", draggable: "false" });
  const source = app.pictures.get(row)?.src;
  if (source) image.src = source;
  return h("li", {}, h("a", {
    class: "caught-one", href: `${app.data.explore}${encodeURIComponent(app.ids[row])}`, target: "_blank", "data-testid": "caught", "data-id": app.ids[row],
    title: `Open ${app.titles[row]} in Explore`, onpointerenter: () => hover(app, row), onpointerleave: () => hover(app, -1),
  }, image, h("span", { class: "title", text: app.titles[row] })));
}

const atlases = new WeakMap();

export default function (component) {
  const { data, parentElement, setStateValue } = component;
  const root = parentElement.querySelector(".atlas");
  if (!root || !data) return undefined;
  if (!atlases.has(root)) atlases.set(root, createAtlas(root));
  const app = atlases.get(root);
  app.send = setStateValue;
  if (app.json !== data.json) receive(app, JSON.parse(data.json));
  app.json = data.json;
  return () => {
    app.observer.disconnect();
    clearTimeout(app.asking);
    cancelAnimationFrame(app.drawing);
    atlases.delete(root);
  };
}
