// Marking a region on the query: drag, handles, arrow keys, or four numbers.
// The draft is state.boxing = {box: [x0, y0, x1, y1] | null}; pixels of the original picture.

const HANDLES = ["nw", "n", "ne", "e", "se", "s", "sw", "w"];
const BOX_MINIMUM = 8;
const BOX_FIELDS = ["x0", "y0", "x1", "y1"];
const BOX_LABELS = ["Left", "Top", "Right", "Bottom"];

function boxOf(state) {
  return state.pending.box === undefined ? state.data.query.box : state.pending.box.value;
}

function setBox(app, box) {
  const { pending, data } = app.state;
  const { width, height } = data.query;
  const value = sameValue(box, [0, 0, width, height]) ? null : box;
  if (sameValue(value, boxOf(app.state))) {
    endBoxing(app);
    return;
  }
  const wanted = value ? "Looking for this region…" : "Looking for the whole picture…";
  app.update({ boxing: null, wanted, pending: { ...pending, box: { value, at: Date.now() } } });
  app.send("box", value ?? []); // a trigger without a value would not be sent
  app.refs.query.box.focusMark();
}

function draw(app, box) {
  app.update({ boxing: { box } });
}

/** Sorted, whole, inside the picture and not smaller than the minimum. */
function tidyBox(query, [ax, ay, bx, by]) {
  const span = (a, b, size) => {
    const least = Math.min(BOX_MINIMUM, size);
    const low = clamp(Math.round(Math.min(a, b)), 0, size - least);
    return [low, clamp(Math.round(Math.max(a, b)), low + least, size)];
  };
  const [x0, x1] = span(ax, bx, query.width);
  const [y0, y1] = span(ay, by, query.height);
  return [x0, y0, x1, y1];
}

function movedBox(query, [x0, y0, x1, y1], dx, dy) {
  const x = clamp(Math.round(dx), -x0, query.width - x1);
  const y = clamp(Math.round(dy), -y0, query.height - y1);
  return [x0 + x, y0 + y, x1 + x, y1 + y];
}

/** Drag one handle; a side may not pass the opposite one. */
function resizedBox(query, [x0, y0, x1, y1], handle, dx, dy) {
  const least = BOX_MINIMUM;
  return tidyBox(query, [
    handle.includes("w") ? clamp(x0 + dx, 0, x1 - least) : x0,
    handle.includes("n") ? clamp(y0 + dy, 0, y1 - least) : y0,
    handle.includes("e") ? clamp(x1 + dx, x0 + least, query.width) : x1,
    handle.includes("s") ? clamp(y1 + dy, y0 + least, query.height) : y1,
  ]);
}

function buildBox(app, picture) {
  const { query } = app.state.data;
  const handle = (name) => h("span", { class: `handle ${name}`, "data-handle": name });
  const rectangle = h("div", { class: "box-rectangle" }, ...HANDLES.map(handle));
  const layer = h("div", {
    class: "box-layer",
    tabindex: 0,
    role: "application",
    "data-testid": "box-layer",
    "aria-label": "Region: arrow keys move it, Shift and arrow keys resize it, Enter applies, Escape cancels",
  }, rectangle);
  picture.wrap.append(layer);
  connectDrag(app, layer, query);
  layer.onkeydown = (event) => boxKey(app, event);
  const controls = buildBoxControls(app, layer);
  const render = () => renderBox(app, { layer, rectangle, controls });
  return { controls: controls.node, render, focusMark: () => controls.mark.focus({ preventScroll: true }) };
}

function connectDrag(app, layer, query) {
  let drag = null;
  const pointOf = (event) => {
    const frame = layer.getBoundingClientRect();
    return [
      clamp((event.clientX - frame.left) / frame.width, 0, 1) * query.width,
      clamp((event.clientY - frame.top) / frame.height, 0, 1) * query.height,
    ];
  };
  layer.onpointerdown = (event) => {
    const { box } = app.state.boxing;
    const handle = event.target.dataset.handle;
    const inside = event.target.classList.contains("box-rectangle");
    drag = { start: pointOf(event), box, kind: handle ?? (inside ? "move" : "new") };
    layer.setPointerCapture(event.pointerId);
    layer.focus({ preventScroll: true });
    event.preventDefault();
  };
  layer.onpointermove = (event) => {
    if (!drag || !app.state.boxing) return;
    const [x, y] = pointOf(event);
    const [dx, dy] = [x - drag.start[0], y - drag.start[1]];
    if (drag.kind === "new") draw(app, tidyBox(query, [...drag.start, x, y]));
    else if (drag.kind === "move") draw(app, movedBox(query, drag.box, dx, dy));
    else draw(app, resizedBox(query, drag.box, drag.kind, dx, dy));
  };
  layer.onpointerup = () => (drag = null);
  layer.onpointercancel = () => (drag = null);
}

function boxKey(app, event) {
  const { query } = app.state.data;
  const direction = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
  if (!direction && !["Enter", "Escape"].includes(event.key)) return;
  event.preventDefault();
  event.stopPropagation();
  const { box } = app.state.boxing;
  if (event.key === "Escape") return endBoxing(app);
  if (event.key === "Enter") return box ? setBox(app, box) : undefined;
  const start = box ?? tidyBox(query, [query.width / 4, query.height / 4, (query.width * 3) / 4, (query.height * 3) / 4]);
  const dx = direction[0] * Math.max(1, query.width / 100);
  const dy = direction[1] * Math.max(1, query.height / 100);
  if (!box) return draw(app, start);
  return draw(app, event.shiftKey ? resizedBox(query, start, "se", dx, dy) : movedBox(query, start, dx, dy));
}

function endBoxing(app) {
  app.update({ boxing: null });
  app.refs.query.box.focusMark();
}

function buildBoxControls(app, layer) {
  const button = (kind, testid, text, onclick) => {
    const node = h("button", { class: kind, type: "button", "data-testid": testid, onclick });
    node.append(h("span", { text }));
    return node;
  };
  const mark = button("quiet bordered", "mark-region", "Mark a region", () => {
    app.update({ boxing: { box: boxOf(app.state) } });
    app.flush();
    layer.focus({ preventScroll: true });
  });
  mark.prepend(icon("region"));
  const clear = button("quiet", "clear-box", "Clear box", () => setBox(app, null));
  const inputs = BOX_FIELDS.map((name, i) => {
    const { width, height } = app.state.data.query;
    const max = i % 2 ? height : width;
    const input = h("input", {
      type: "number", min: 0, max, step: 1, inputmode: "numeric", "data-testid": `box-${name}`,
    });
    input.onchange = () => readBoxInputs(app, inputs);
    input.onblur = app.schedule;
    input.onkeydown = (event) => {
      if (event.key === "Escape") endBoxing(app);
      if (event.key === "Enter") {
        readBoxInputs(app, inputs);
        if (app.state.boxing.box) setBox(app, app.state.boxing.box);
      }
    };
    return input;
  });
  const apply = button("primary", "box-apply", "Search this region", () => setBox(app, app.state.boxing.box));
  const cancel = button("quiet", "box-cancel", "Cancel", () => endBoxing(app));
  const hint = h("p", { class: "fine" });
  const fields = h("div", { class: "box-fields", role: "group", "aria-label": "Region in pixels" },
    ...inputs.map((input, i) => h("label", { class: "box-field" }, h("span", { text: BOX_LABELS[i] }), input)));
  const buttons = h("div", { class: "row" }, apply, cancel);
  const editor = h("div", { class: "box-editor", "data-testid": "box-editor" }, hint, fields, buttons);
  const row = h("div", { class: "row" }, mark, clear);
  return { node: h("div", { class: "box-controls" }, row, editor), row, mark, clear, inputs, apply, editor, hint };
}

function readBoxInputs(app, inputs) {
  const values = inputs.map((input) => (input.value === "" ? NaN : Number(input.value)));
  if (values.some((value) => !Number.isFinite(value))) return;
  draw(app, tidyBox(app.state.data.query, values));
}

function renderBox(app, { layer, rectangle, controls }) {
  const { state } = app;
  const { query } = state.data;
  const draft = state.boxing?.box ?? null;
  layer.hidden = !state.boxing;
  controls.editor.hidden = !state.boxing;
  controls.row.hidden = Boolean(state.boxing);
  controls.clear.hidden = !boxOf(state);
  controls.apply.disabled = !draft;
  rectangle.hidden = !draft;
  if (!state.boxing) return;
  setText(controls.hint, draft
    ? "Drag the region or its handles, or type its sides in pixels. Enter applies, Esc cancels."
    : "Drag over the part of the picture you mean, or type its sides in pixels.");
  // While somebody types the fields are theirs: on the way to a new box its corners may cross.
  const typing = controls.inputs.includes(app.root.getRootNode().activeElement);
  controls.inputs.forEach((input, i) => {
    const text = draft ? String(draft[i]) : "";
    if (!typing && input.value !== text) input.value = text;
  });
  if (!draft) return;
  const [x0, y0, x1, y1] = draft;
  Object.assign(rectangle.style, {
    left: `${(x0 / query.width) * 100}%`,
    top: `${(y0 / query.height) * 100}%`,
    width: `${((x1 - x0) / query.width) * 100}%`,
    height: `${((y1 - y0) / query.height) * 100}%`,
  });
}
