// Over the results: heading, status, and how the pictures are drawn. All of it stays in this
// browser (localStorage) and never causes a run of the server.

const VIEW_KEY = "dff.stage.view";
const MODES = [["joint", "Same parts everywhere"], ["own", "Each picture's own parts"]];
const SCALES = [["shared", "Shared by all"], ["part", "Per part"], ["picture", "Per picture"]];

function loadView(options) {
  const view = {
    mode: "joint",
    opacity: options?.opacity ?? 0.65,
    threshold: options?.threshold ?? 0.25,
    scale: options?.scale ?? "shared",
    smooth: true,
    photo: false,
    open: false,
  };
  try {
    const kept = JSON.parse(localStorage.getItem(VIEW_KEY)) ?? {};
    for (const name of Object.keys(view)) if (typeof kept[name] === typeof view[name]) view[name] = kept[name];
  } catch {
    // No storage (private window): the defaults do.
  }
  return view;
}

function setView(app, patch) {
  const view = { ...app.state.view, ...patch };
  try {
    localStorage.setItem(VIEW_KEY, JSON.stringify(view));
  } catch {
    // The choice then lasts as long as the page.
  }
  app.update({ view });
}

function buildToolbar(app) {
  const modes = MODES.map(([mode, text]) => {
    const button = h("button", { type: "button", text, "data-testid": `view-${mode}`, "data-mode": mode });
    button.onclick = () => setView(app, { mode });
    return button;
  });
  const photo = h("button", { class: "quiet", type: "button", "data-testid": "only-photo", text: "Only the photo" });
  photo.onclick = () => setView(app, { photo: !app.state.view.photo });
  const display = h("button", { class: "quiet", type: "button", "data-testid": "display-toggle" },
    icon("sliders"), h("span", { text: "Display" }));
  display.onclick = () => setView(app, { open: !app.state.view.open });
  const panel = buildDisplay(app, "Keys: 1 to 9 and 0 switch parts, h held shows the photo.");
  app.refs.toolbar = { modes, photo, display, panel, ...app.refs.toolbar };
  return h("div", { class: "toolbar", role: "group", "aria-label": "How the pictures are drawn" },
    h("div", { class: "segmented", role: "group", "aria-label": "Parts shown" }, ...modes),
    h("span", { class: "spacer" }), photo, display, panel);
}

function slider(app, name, label, low, high) {
  const input = h("input", { type: "range", min: low, max: high, step: 0.01, "data-testid": name });
  const value = h("output", {});
  input.oninput = () => setView(app, { [name]: Number(input.value) });
  const render = () => {
    const now = app.state.view[name];
    if (Number(input.value) !== now) input.value = now;
    input.style.setProperty("--at", `${((now - low) / (high - low)) * 100}%`);
    setText(value, `${Math.round(now * 100)} %`);
  };
  return { node: h("label", { class: "field" }, h("span", { text: label }), input, value), render };
}

/** keys: what is said of them under the controls. */
function buildDisplay(app, keys) {
  const sliders = [slider(app, "opacity", "Colour", 0, 1), slider(app, "threshold", "Threshold", 0.05, 0.9)];
  const scale = h("select", { "data-testid": "scale" }, ...SCALES.map(([value, text]) => h("option", { value, text })));
  scale.onchange = () => setView(app, { scale: scale.value });
  const grid = h("input", { type: "checkbox", "data-testid": "grid" });
  grid.onchange = () => setView(app, { smooth: !grid.checked });
  app.refs.toolbar = { sliders, scale, grid };
  return h("div", { class: "display", "data-testid": "display" },
    ...sliders.map((item) => item.node),
    h("label", { class: "field" }, h("span", { text: "Heat scale" }), scale),
    h("label", { class: "check" }, grid, h("span", { text: "Raw grid" })),
    h("p", { class: "fine keys", text: keys }));
}

function renderToolbar(app) {
  const { view } = app.state;
  const { modes, photo, display, panel } = app.refs.toolbar;
  for (const button of modes) setAttribute(button, "aria-pressed", String(button.dataset.mode === view.mode));
  setAttribute(photo, "aria-pressed", String(view.photo));
  setAttribute(display, "aria-expanded", String(view.open));
  panel.hidden = !view.open;
  renderDisplay(app);
}

function renderDisplay(app) {
  const { view } = app.state;
  const { sliders, scale, grid } = app.refs.toolbar;
  for (const item of sliders) item.render();
  if (scale.value !== view.scale) scale.value = view.scale;
  grid.checked = !view.smooth;
}
