// The concepts of a set: cards of the shared parts, and the pictures with their heatmaps. It shares
// the stage's drawing and naming; `sketch` is its one state, as the stage has one.

function createSketch(root) {
  const app = { root, refs: {}, state: null };
  let frame = 0;
  app.flush = () => {
    cancelAnimationFrame(frame);
    frame = 0;
    if (app.state) renderSketch(app);
  };
  app.schedule = () => {
    if (!frame) frame = requestAnimationFrame(app.flush);
  };
  app.update = (patch) => {
    Object.assign(app.state, patch);
    app.schedule();
  };
  app.watcher = new ResizeObserver(app.schedule);
  app.watcher.observe(root);
  app.destroy = () => {
    app.watcher.disconnect();
    cancelAnimationFrame(frame);
  };
  root.tabIndex = -1;
  root.onkeydown = (event) => sketchKey(app, event);
  root.onkeyup = (event) => {
    quietTyping(event);
    if (event.key === "h" && app.state?.peek) app.update({ peek: false });
  };
  return app;
}

function sketchKey(app, event) {
  if (quietTyping(event) || event.ctrlKey || event.metaKey || event.altKey || !app.state) return;
  if (/^[0-9]$/.test(event.key)) {
    event.preventDefault();
    event.stopPropagation();
    const part = app.state.data.parts[(Number(event.key) + 9) % 10];
    if (part) showOnly(app, part);
  }
  if (event.key === "h" && !event.repeat) app.update({ peek: true });
}

/** Hovering lights a part; with one chosen, that one stays lit. */
function light(app, colour) {
  const lit = colour ?? app.state.only;
  if (app.state.lit !== lit) app.update({ lit });
}

function showOnly(app, part) {
  const only = part && app.state.only !== part.colour && !part.dead ? part.colour : null;
  app.update({ only, lit: only });
}

function takeIn(app, fresh) {
  const old = app.state?.data;
  if (old && old.version === fresh.version) {
    const data = { ...fresh, pictures: keepIfSame(old.pictures, fresh.pictures), parts: keepIfSame(old.parts, fresh.parts) };
    const names = Object.entries(app.state.pending.names).filter(([part, name]) => name !== "" && data.parts[part]?.name !== name);
    Object.assign(app.state, { data, pending: { names: Object.fromEntries(names) } });
    app.schedule();
    return;
  }
  const weights = fresh.parts.map(() => 1);
  app.state = {
    data: fresh, weights, view: { ...loadView(fresh.options), mode: "joint" }, pending: { names: {} },
    lit: null, only: null, peek: false, editing: null,
  };
  buildSketch(app);
}

function buildSketch(app) {
  const { parts, pictures } = app.state.data;
  app.refs = { parts: [], pictures: [] };
  const cards = parts.map((part, index) => conceptCard(app, part, index));
  const grid = pictures.map((picture) => pictureCard(app, picture));
  app.root.replaceChildren(h("div", { class: "layout" },
    h("section", { class: "shared", "aria-label": "Concepts", "data-testid": "concept-list" },
      h("header", { class: "row-head" }, h("h2", { text: "What they share" })),
      h("ul", { class: "concept-list" }, ...cards),
      h("p", { class: "fine", text: app.state.data.note })),
    h("section", { class: "results", "aria-label": "Pictures of the set", "data-testid": "set" },
      h("header", { class: "row-head" }, h("h2", { text: "Where it is" }), h("span", { class: "muted", text: app.state.data.count })),
      buildChoice(app),
      h("ol", { class: "cards set" }, ...grid))));
  app.flush();
}

function conceptCard(app, part, index) {
  const refs = {
    name: h("span", { class: "part-name", "data-testid": "part-name" }),
    input: buildRename(app, index),
    rename: h("button", { class: "icon-button rename always", type: "button", "data-testid": "part-rename", hidden: part.dead }, icon("pencil")),
    fill: h("span", { class: "energy-fill" }),
    only: h("button", { class: "swatch-button", type: "button", disabled: part.dead, "data-testid": "only" },
      swatch(app.state.data.palette, part.colour, String(part.number))),
  };
  refs.rename.onclick = () => startRename(app, index);
  refs.only.onclick = () => showOnly(app, part);
  refs.fill.style.width = `${clamp(part.energy, 0, 1) * 100}%`;
  const crops = part.crops.map((crop) => regionButton(app, part, crop));
  refs.node = h("li", { class: part.dead ? "concept dead" : "concept", "data-testid": "concept" },
    h("div", { class: "concept-head" }, refs.only, h("span", { class: "part-title" }, refs.name, refs.input), refs.rename,
      h("span", { class: "energy", title: "Share of the set's activation energy" }, refs.fill),
      h("span", { class: "part-share", text: part.dead ? "–" : percent(part.energy) })),
    crops.length ? h("ul", { class: "crops", "aria-label": `Where part ${part.number} is clearest in the collection` }, ...crops) : null,
    crops.length ? null : h("p", { class: "fine", text: part.dead ? "These pictures share no more parts." : "Nowhere clear enough to point at." }));
  refs.node.style.setProperty("--part", app.state.data.palette[part.colour].hex);
  refs.node.onpointerenter = () => light(app, part.dead ? null : part.colour);
  refs.node.onpointerleave = () => light(app, null);
  app.refs.parts.push(refs);
  return refs.node;
}

function regionButton(app, part, crop) {
  const score = number(crop.score, 2);
  const label = `${crop.title}, ${score} like part ${part.number}. Open it`;
  const button = h("button", { class: "crop", type: "button", title: `${crop.title} · ${score}`, "aria-label": label, "data-testid": "crop" },
    h("img", { src: crop.image, alt: "", draggable: "false", decoding: "async" }),
    h("span", { class: "crop-score", text: score }));
  button.onclick = () => app.send("open", crop.row);
  return h("li", {}, button);
}

function pictureCard(app, picture) {
  const drawn = createPicture("set-picture");
  const open = h("button", { class: "frame", type: "button", "data-testid": "open-picture", "aria-label": `Open ${picture.title}` }, drawn.wrap);
  open.style.aspectRatio = app.state.data.frame;
  sizePicture(drawn, picture, picture.shown, [`${((picture.width / picture.height / app.state.data.frame) * 100).toFixed(2)}%`]);
  open.onclick = () => app.send("open", picture.row);
  const colours = () => (app.state.only === null ? app.state.data.parts.map((part) => part.colour) : [app.state.lit]);
  lightUnderPointer(app, drawn, colours);
  const leave = h("button", { class: "icon-button", type: "button", "data-testid": "leave", "aria-label": `Take ${picture.title} out of the set`, title: "Take it out" }, icon("close"));
  leave.hidden = app.state.data.pictures.length < 2;
  leave.onclick = () => app.send("leave", picture.row);
  app.refs.pictures.push(drawn);
  return h("li", { class: "card", "data-testid": "card", "data-id": picture.id }, open,
    h("div", { class: "set-foot" }, h("span", { class: "title", text: picture.title, title: picture.title }), leave));
}

/** All parts or one, and how they are drawn. */
function buildChoice(app) {
  const every = h("button", { type: "button", text: "All parts", "data-testid": "all-parts" });
  every.onclick = () => showOnly(app, null);
  const ones = app.state.data.parts.filter((part) => !part.dead).map((part) => {
    const button = h("button", { type: "button", class: "one", "data-testid": "one-part" }, swatch(app.state.data.palette, part.colour, String(part.number)));
    button.onclick = () => app.state.only !== part.colour && showOnly(app, part);
    return { button, part };
  });
  const photo = h("button", { class: "quiet", type: "button", "data-testid": "only-photo", text: "Only the photo" });
  photo.onclick = () => setView(app, { photo: !app.state.view.photo });
  const display = h("button", { class: "quiet", type: "button", "data-testid": "display-toggle" }, icon("sliders"), h("span", { text: "Display" }));
  display.onclick = () => setView(app, { open: !app.state.view.open });
  const panel = buildDisplay(app, "Keys: 1 to 9 and 0 show one part, h held shows the photo.");
  app.refs.choice = { every, ones, photo, display, panel };
  return h("div", { class: "toolbar", role: "group", "aria-label": "How the pictures are drawn" },
    h("div", { class: "segmented parts-choice", role: "group", "aria-label": "Parts shown" }, every, ...ones.map(({ button }) => button)),
    h("span", { class: "spacer" }), photo, display, panel);
}

function renderChoice(app) {
  const { state, refs } = app;
  const { every, ones, photo, display, panel } = refs.choice;
  setAttribute(every, "aria-pressed", String(state.only === null));
  for (const { button, part } of ones) {
    setAttribute(button, "aria-pressed", String(state.only === part.colour));
    setAttribute(button, "aria-label", `Only part ${part.number}, ${nameOf(state, part)}`);
    setAttribute(button, "title", nameOf(state, part));
  }
  setAttribute(photo, "aria-pressed", String(state.view.photo));
  setAttribute(display, "aria-expanded", String(state.view.open));
  panel.hidden = !state.view.open;
  renderDisplay(app);
}

function renderConcept(app, part, index) {
  const { state } = app;
  const refs = app.refs.parts[index];
  const name = nameOf(state, part);
  renderPartName(app, part, refs, index);
  refs.node.classList.toggle("lit", state.lit === part.colour);
  refs.name.hidden = state.editing === index;
  refs.input.hidden = state.editing !== index;
  setAttribute(refs.only, "aria-pressed", String(state.only === part.colour));
  setAttribute(refs.only, "aria-label", `Show only part ${part.number}, ${name}`);
  setAttribute(refs.rename, "aria-label", `Name part ${part.number}, ${name}`);
  setAttribute(refs.input, "aria-label", `Name of part ${part.number}`);
}

const ones = new WeakMap();

/** The heat of one part alone where one is chosen, for `viewOf`. */
function oneOf(state, heat) {
  if (state.only === null) return {};
  const j = partOfColour(state, state.lit);
  if (!ones.has(heat)) ones.set(heat, []);
  const made = ones.get(heat);
  if (!made[j]) {
    const { rows, columns, values, maxima } = readHeat(heat);
    const cells = values.subarray(j * rows * columns, (j + 1) * rows * columns);
    made[j] = { ...heat, k: 1 };
    heatCache.set(made[j], { k: 1, rows, columns, values: cells, maxima: [maxima[j]] });
  }
  return { heat: made[j], colours: [state.lit] };
}

function renderSketch(app) {
  const { state, root } = app;
  const style = getComputedStyle(root);
  app.dark = isDark(style.getPropertyValue("--st-background-color"));
  app.font = style.fontFamily;
  const { parts, pictures } = state.data;
  const colours = parts.map((part) => part.colour);
  app.maxima = maximaFor(pictures.map((picture) => ({ heat: picture.joint, colours })), state.view.scale);
  parts.forEach((part, index) => renderConcept(app, part, index));
  renderChoice(app);
  pictures.forEach((picture, i) => {
    const drawn = app.refs.pictures[i];
    const view = viewOf(app, picture, null, oneOf(state, picture.joint));
    paint(drawn, view, app.schedule);
    const found = partsText(app, drawn, view.colours);
    setAttribute(drawn.canvas, "aria-label", `${picture.title}${found ? `; ${found}` : ""}`);
  });
}

const sketches = new WeakMap();

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  const root = parentElement.querySelector(".concepts");
  if (!root || !data) return undefined;
  if (!sketches.has(root)) sketches.set(root, createSketch(root));
  const app = sketches.get(root);
  app.send = setTriggerValue;
  takeIn(app, JSON.parse(data.json));
  return () => {
    app.destroy();
    sketches.delete(root);
  };
}
