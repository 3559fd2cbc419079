// The gallery: a page of pictures, filtered in the browser. Texts are set by textContent only.

const ASK_DELAY = 150; // ms after the last change before missing thumbnails are asked for
const KEPT = 600; // thumbnails kept in the browser
const CHIPS = 14; // categories shown before "more"

const ICONS = {
  search: "M10.5 4a6.5 6.5 0 1 1 0 13 6.5 6.5 0 0 1 0-13zM15.5 15.5L20 20",
  clear: "M6 6l12 12M18 6L6 18",
  left: "M14.5 5.5L8 12l6.5 6.5",
  right: "M9.5 5.5L16 12l-6.5 6.5",
};

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

function icon(name) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(space, "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

/** Without case and accents, so that "neuschwanstein" and "Café" are found as one types them. */
function plain(text) {
  return text.normalize("NFD").replace(/\p{Diacritic}/gu, "").toLowerCase();
}

/** "solar_panel" -> "Solar panel". */
function readable(category) {
  const text = category.replace(/[_-]+/g, " ").trim();
  return text ? text[0].toUpperCase() + text.slice(1) : "Other";
}

function countBy(items) {
  const counts = new Map();
  for (const item of items) counts.set(item.category, (counts.get(item.category) ?? 0) + 1);
  return counts;
}

// --- state -------------------------------------------------------------------------------

function createGallery(root) {
  const app = { root, items: [], thumbnails: new Map(), query: "", category: null, page: 0, focus: 0, timer: 0 };
  build(app);
  return app;
}

/** All pictures, from columns: an item a row, with the words it is found by. */
function readItems(text) {
  const { ids, titles, kinds, kind } = JSON.parse(text);
  return ids.map((id, row) => {
    const [title, category] = [titles[row], kinds[kind[row]]];
    const words = plain(`${title} ${readable(category)} ${id.replace(/[_-]+/g, " ")} ${id}`);
    return { row, id, title, category, words };
  });
}

function receive(app, data) {
  const changed = data.items !== app.text;
  const begun = app.items.length > 0;
  if (changed) {
    app.text = data.items;
    app.items = readItems(data.items);
    app.thumbnails.clear();
    app.size = data.page;
    app.categories = [...countBy(app.items)].sort((a, b) => b[1] - a[1]).map(([category]) => category);
    if (!begun || data.selected !== null) {
      app.page = Math.floor((data.selected ?? 0) / app.size);
      app.focus = (data.selected ?? 0) % app.size;
    }
    app.chosen = data.chosen ? new Set(data.chosen) : null; // rows are others' now
  }
  const moved = data.selected !== app.selected;
  app.selected = data.selected;
  // What is chosen here is the browser's own until it is used.
  app.most = data.most;
  app.verb = data.verb;
  for (const [row, uri] of Object.entries(data.thumbnails)) {
    app.thumbnails.delete(Number(row));
    app.thumbnails.set(Number(row), uri);
  }
  while (app.thumbnails.size > KEPT) app.thumbnails.delete(app.thumbnails.keys().next().value);
  if (changed || moved) filter(app);
  app.page = Math.min(app.page, pages(app) - 1);
  if (changed) renderChips(app);
  if (changed || moved) renderGrid(app);
  else fillGrid(app);
  renderChosen(app);
  if (changed && data.selected !== null) app.grid.children[app.focus]?.scrollIntoView({ block: "nearest" });
}

/** What is shown: `found` of the search, `shown` of these in the chosen category. */
function filter(app) {
  const words = plain(app.query).split(/\s+/).filter(Boolean);
  app.found = words.length ? app.items.filter((item) => words.every((word) => item.words.includes(word))) : app.items;
  app.shown = app.category === null ? app.found : app.found.filter((item) => item.category === app.category);
}

function change(app, patch) {
  Object.assign(app, { page: 0, focus: 0 }, patch);
  filter(app);
  renderChips(app);
  renderGrid(app);
}

function pages(app) {
  return Math.max(1, Math.ceil(app.shown.length / app.size));
}

function turn(app, page, focus = 0, grab = false) {
  if (page < 0 || page >= pages(app)) return;
  app.page = page;
  app.focus = focus;
  renderGrid(app);
  if (grab) focusTile(app, app.focus);
}

/** Ask for the thumbnails that this page lacks, once the user has paused. */
function ask(app) {
  clearTimeout(app.timer);
  app.timer = setTimeout(() => {
    const missing = pageItems(app).filter((item) => !app.thumbnails.has(item.row)).map((item) => item.row);
    if (missing.length) app.send.state("needed", missing);
  }, ASK_DELAY);
}

function pageItems(app) {
  return app.shown.slice(app.page * app.size, (app.page + 1) * app.size);
}

// --- drawing -----------------------------------------------------------------------------

function build(app) {
  app.search = h("input", {
    type: "text", class: "search", placeholder: "Search by name or category", "aria-label": "Search pictures by name or category",
    autocomplete: "off", spellcheck: "false", enterkeyhint: "search",
    oninput: () => change(app, { query: app.search.value }),
    onkeydown: (event) => searchKey(app, event),
    onkeyup: (event) => event.stopPropagation(),
    onkeypress: (event) => event.stopPropagation(),
  });
  app.clear = h("button", { type: "button", class: "clear", "aria-label": "Clear the search", onclick: () => clearSearch(app) }, icon("clear"));
  app.chips = h("div", { class: "chips", role: "group", "aria-label": "Categories" });
  app.grid = h("div", { class: "grid", role: "group", "aria-label": "Pictures", onkeydown: (event) => gridKey(app, event) });
  app.nothing = h("p", { class: "nothing" });
  app.reset = h("button", { type: "button", class: "button", text: "Show all pictures", onclick: () => showAll(app) });
  app.empty = h("div", { class: "empty", hidden: true }, app.nothing, app.reset);
  app.scroller = h("div", { class: "scroller" }, app.grid, app.empty);
  app.range = h("span", { class: "range", role: "status" });
  app.before = h("button", { type: "button", class: "turn", "aria-label": "Previous page", onclick: () => turn(app, app.page - 1) }, icon("left"));
  app.after = h("button", { type: "button", class: "turn", "aria-label": "Next page", onclick: () => turn(app, app.page + 1) }, icon("right"));
  app.place = h("span", { class: "place" });
  app.pager = h("div", { class: "pager" }, app.before, app.place, app.after);
  app.none = h("button", { type: "button", class: "button plain", text: "None", "aria-label": "Choose none", onclick: () => choose(app, []) });
  app.all = h("button", { type: "button", class: "button plain", onclick: () => choose(app, app.shown.map((item) => item.row)) });
  app.use = h("button", { type: "button", class: "button primary", "data-testid": "use-chosen", onclick: () => app.send.trigger("done", [...app.chosen]) });
  app.choice = h("div", { class: "choice" }, app.all, app.none, app.use);
  app.root.replaceChildren(
    h("div", { class: "field" }, icon("search"), app.search, app.clear),
    app.chips,
    app.scroller,
    h("div", { class: "foot" }, app.range, app.pager, app.choice),
  );
}

/** Choose these rows besides what is chosen, or none; no more than there is room for. */
function choose(app, rows) {
  app.chosen = new Set(rows.length ? [...app.chosen, ...rows].slice(0, app.most) : []);
  for (const node of app.grid.children) markTile(app, node);
  renderChosen(app);
}

function toggle(app, row) {
  if (app.chosen.has(row)) app.chosen.delete(row);
  else if (app.chosen.size < app.most) app.chosen.add(row);
  for (const node of app.grid.children) markTile(app, node);
  renderChosen(app);
}

function markTile(app, node) {
  const row = Number(node.dataset.row);
  const chosen = app.chosen ? app.chosen.has(row) : row === app.selected;
  node.setAttribute("aria-pressed", String(chosen));
}

function renderChosen(app) {
  app.choice.hidden = !app.chosen;
  if (!app.chosen) return;
  const count = app.chosen.size;
  const full = count >= app.most ? ", the most there can be" : "";
  app.use.textContent = count === 1 ? `${app.verb} 1 picture` : `${app.verb} ${count} pictures`;
  app.use.disabled = count === 0;
  app.none.disabled = count === 0;
  app.all.textContent = `Add these ${app.shown.length}`;
  app.all.hidden = app.shown.length > app.most;
  app.use.title = `${count} chosen${full}`;
}

function renderChips(app) {
  const counts = countBy(app.found);
  const folded = app.categories.length > CHIPS + 1 && !app.unfolded;
  const shown = folded ? app.categories.slice(0, CHIPS) : app.categories;
  if (app.category !== null && !shown.includes(app.category)) shown.push(app.category);
  const chips = [chip(app, null, "All", app.found.length), ...shown.map((c) => chip(app, c, readable(c), counts.get(c) ?? 0))];
  if (folded) {
    chips.push(h("button", {
      type: "button", class: "chip more", text: `${app.categories.length - shown.length} more`,
      onclick: () => { app.unfolded = true; renderChips(app); app.chips.children[CHIPS + 1]?.focus(); },
    }));
  }
  const held = [...app.chips.children].indexOf(app.root.getRootNode().activeElement);
  app.chips.replaceChildren(...chips);
  app.chips.hidden = app.categories.length < 2;
  app.clear.hidden = app.query === "";
  if (held >= 0) app.chips.children[held]?.focus();
}

function chip(app, category, name, count) {
  return h("button", {
    type: "button", class: "chip", "aria-pressed": String(app.category === category),
    disabled: count === 0 && app.category !== category && category !== null,
    onclick: () => change(app, { category: app.category === category ? null : category }),
  }, h("span", { text: name }), h("span", { class: "count", text: String(count) }));
}

function renderGrid(app) {
  const items = pageItems(app);
  app.focus = Math.max(0, Math.min(app.focus, items.length - 1));
  app.grid.replaceChildren(...items.map((item, i) => tile(app, item, i)));
  app.scroller.scrollTop = 0;
  app.grid.hidden = !items.length;
  app.empty.hidden = items.length > 0;
  app.nothing.textContent = app.query ? `No picture matches “${app.query.trim()}”.` : "There are no pictures here.";
  const first = app.page * app.size + 1;
  const total = app.shown.length;
  const all = total === 0 ? "No pictures" : `${total} ${total === 1 ? "picture" : "pictures"}`;
  app.range.textContent = pages(app) === 1 ? all : `${first}–${first + items.length - 1} of ${total}`;
  app.pager.hidden = pages(app) === 1;
  app.place.textContent = `Page ${app.page + 1} / ${pages(app)}`;
  app.before.disabled = app.page === 0;
  app.after.disabled = app.page === pages(app) - 1;
  renderChosen(app);
  fillGrid(app);
}

function tile(app, item, i) {
  const node = h("button", {
    type: "button", class: app.chosen ? "tile many" : "tile", tabindex: i === app.focus ? "0" : "-1", "data-row": String(item.row),
    "aria-label": `${item.title}, ${readable(item.category)}`,
    title: item.title,
    onclick: () => (app.chosen ? toggle(app, item.row) : app.send.trigger("pick", item.row)),
    onfocus: () => setFocus(app, i),
  },
  h("span", { class: "frame skeleton" }),
  h("span", { class: "name", text: item.title }),
  h("span", { class: "kind", text: readable(item.category) }));
  markTile(app, node);
  return node;
}

/** Put in the thumbnails that are here; the frames of the others wait at the same size. */
function fillGrid(app) {
  const items = pageItems(app);
  let missing = false;
  for (const [i, node] of [...app.grid.children].entries()) {
    const frame = node.firstChild;
    if (frame.firstChild) continue;
    const uri = app.thumbnails.get(items[i].row);
    missing ||= !uri;
    if (!uri || !uri.startsWith("data:image/")) continue;
    const image = h("img", { alt: items[i].title, src: uri, draggable: "false", decoding: "async" });
    image.onload = () => frame.classList.remove("skeleton");
    image.onerror = () => { // a thumbnail that cannot be read
      frame.classList.remove("skeleton");
      image.replaceWith(h("span", { class: "unreadable", text: "No preview" }));
    };
    frame.append(image);
  }
  if (missing) ask(app);
}

// --- keys --------------------------------------------------------------------------------

function setFocus(app, i) {
  if (i === app.focus) return;
  app.grid.children[app.focus]?.setAttribute("tabindex", "-1");
  app.grid.children[i]?.setAttribute("tabindex", "0");
  app.focus = i;
}

function focusTile(app, i) {
  setFocus(app, i);
  app.grid.children[i]?.focus();
  app.grid.children[i]?.scrollIntoView({ block: "nearest" });
}

function columns(app) {
  const tiles = [...app.grid.children];
  const second = tiles.findIndex((node) => node.offsetTop !== tiles[0].offsetTop);
  return second < 0 ? tiles.length : second;
}

function gridKey(app, event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const last = app.grid.children.length - 1;
  const wide = columns(app);
  const at = app.focus;
  const moves = {
    ArrowLeft: () => (at > 0 ? focusTile(app, at - 1) : turn(app, app.page - 1, app.size - 1, true)),
    ArrowRight: () => (at < last ? focusTile(app, at + 1) : turn(app, app.page + 1, 0, true)),
    ArrowUp: () => (at >= wide ? focusTile(app, at - wide) : app.search.focus()),
    ArrowDown: () => focusTile(app, at + wide <= last ? at + wide : last),
    Home: () => focusTile(app, 0),
    End: () => focusTile(app, last),
    PageUp: () => turn(app, app.page - 1, 0, true),
    PageDown: () => turn(app, app.page + 1, 0, true),
  };
  if (!moves[event.key]) return;
  event.preventDefault();
  event.stopPropagation();
  moves[event.key]();
}

function searchKey(app, event) {
  if (event.key === "Escape" && !app.query) return; // it closes the dialog
  event.stopPropagation(); // what is typed here is not one of the page's shortcuts
  if (event.key === "Escape") clearSearch(app);
  if ((event.key === "ArrowDown" || event.key === "Enter") && app.shown.length) {
    event.preventDefault();
    focusTile(app, app.focus);
  }
}

function clearSearch(app) {
  app.search.value = "";
  change(app, { query: "" });
  app.search.focus();
}

function showAll(app) {
  app.search.value = "";
  change(app, { query: "", category: null });
  app.search.focus();
}

const galleries = new WeakMap();

export default function (component) {
  const { data, parentElement, setStateValue, setTriggerValue } = component;
  const root = parentElement.querySelector(".gallery");
  if (!root || !data) return undefined;
  const fresh = !galleries.has(root);
  if (fresh) galleries.set(root, createGallery(root));
  const app = galleries.get(root);
  app.send = { state: setStateValue, trigger: setTriggerValue };
  receive(app, data);
  // A keyboard that covers half of a phone's screen should not open by itself.
  if (fresh && !data.inline && matchMedia("(hover: hover)").matches) app.search.focus({ preventScroll: true });
  return () => {
    clearTimeout(app.timer);
    galleries.delete(root);
  };
}
