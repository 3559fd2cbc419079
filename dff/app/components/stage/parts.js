// The list of parts: colour, name, share of the energy, switch, weight, rename.

const NAMES_NOTE = "Names come from the network's own classifier; confidence is not correctness.";
const REFINED_NOTE =
  "Refined: what is drawn are parts that all these pictures share. Names, shares and scores are still those of your picture alone.";

function nameOf(state, part) {
  const index = state.data.parts.indexOf(part);
  return state.pending.names[index] || part.name || "no name";
}

function buildParts(app) {
  const { parts } = app.state.data;
  app.refs.parts = parts.map((part, index) => buildPart(app, part, index));
  const weights = h("button", { class: "quiet", type: "button", "data-testid": "weights-toggle", text: "Weights" });
  weights.onclick = () => app.update({ showWeights: !app.state.showWeights });
  const reset = h("button", { class: "quiet", type: "button", "data-testid": "weights-reset", text: "Reset" });
  reset.onclick = () => setWeights(app, parts.map(() => 1));
  Object.assign(app.refs, { weightsToggle: weights, weightsReset: reset });
  return h("section", { class: "parts", "aria-label": "Parts", "data-testid": "parts" },
    h("header", { class: "row-head" }, h("h3", { text: "Parts the network finds" }), reset, weights),
    h("ul", { class: "part-list" }, ...app.refs.parts.map((row) => row.node)),
    h("p", { class: "fine", text: NAMES_NOTE }),
    h("p", { class: "fine", text: REFINED_NOTE, hidden: !app.state.data.refined }));
}

/** A filled circle with the part's number; hatched colours carry stripes. */
function swatch(palette, colour, text) {
  const { hex, hatched } = palette[colour];
  const node = h("span", { class: hatched ? "swatch hatched" : "swatch", text });
  node.style.setProperty("--part", hex);
  return node;
}

function buildPart(app, part, index) {
  const refs = {
    name: h("span", { class: "part-name", "data-testid": "part-name" }),
    input: buildRename(app, index),
    share: h("span", { class: "part-share", text: part.dead ? "–" : percent(part.energy) }),
    fill: h("span", { class: "energy-fill" }),
    toggle: h("button", {
      class: "switch", type: "button", role: "switch", "data-testid": "part-switch", disabled: part.dead,
    }),
    slider: h("input", { type: "range", min: 0, max: 2, step: 0.05, "data-testid": "part-weight" }),
    value: h("output", { class: "weight-value" }),
  };
  refs.rename = h("button", {
    class: "icon-button rename", type: "button", "data-testid": "part-rename", hidden: part.dead,
  }, icon("pencil"));
  refs.rename.onclick = () => startRename(app, index);
  refs.fill.style.width = `${clamp(part.energy, 0, 1) * 100}%`;
  refs.toggle.onclick = () => togglePart(app, index);
  refs.slider.oninput = () => setWeight(app, index, Number(refs.slider.value));
  const energy = h("span", { class: "energy", title: "Share of the picture's activation energy" }, refs.fill);
  refs.weight = h("label", { class: "weight" }, h("span", { text: "Weight" }), refs.slider, refs.value);
  refs.node = h("li", { class: part.dead ? "part dead" : "part", "data-testid": "part", "data-part": index },
    swatch(app.state.data.palette, part.colour, String(part.number)),
    h("span", { class: "part-title" }, refs.name, refs.input),
    refs.rename, energy, refs.share, refs.toggle, refs.weight);
  refs.node.style.setProperty("--part", app.state.data.palette[part.colour].hex);
  const lightUp = () => light(app, part.dead ? null : part.colour);
  refs.node.onpointerenter = lightUp;
  refs.node.onpointerleave = () => light(app, null);
  refs.node.onfocusin = lightUp;
  refs.node.onfocusout = () => light(app, null);
  return refs;
}

function buildRename(app, index) {
  const input = h("input", {
    class: "rename-input", type: "text", maxlength: 60, hidden: true, "data-testid": "part-name-input",
  });
  input.onkeydown = (event) => {
    if (event.key === "Enter") endRename(app, index, input.value.trim());
    if (event.key === "Escape") endRename(app, index, null);
    if (["Enter", "Escape"].includes(event.key)) event.preventDefault();
  };
  input.onblur = () => app.state.editing === index && endRename(app, index, input.value.trim());
  return input;
}

function startRename(app, index) {
  const { input } = app.refs.parts[index];
  app.update({ editing: index });
  app.flush();
  input.value = nameOf(app.state, app.state.data.parts[index]);
  input.focus();
  input.select();
}

/** Enter keeps, Esc drops; an empty name asks for the network's own name again. */
function endRename(app, index, name) {
  const part = app.state.data.parts[index];
  const hadFocus = app.root.getRootNode().activeElement === app.refs.parts[index].input;
  const changed = name !== null && name !== nameOf(app.state, part);
  const names = changed ? { ...app.state.pending.names, [index]: name } : app.state.pending.names;
  app.update({ editing: null, pending: { ...app.state.pending, names } });
  if (hadFocus) app.refs.parts[index].rename.focus();
  if (changed) app.send("rename", { part: index, name });
}

function togglePart(app, index) {
  const part = app.state.data.parts[index];
  if (!part || part.dead) return;
  setWeight(app, index, app.state.weights[index] === 0 ? 1 : 0);
}

function setWeight(app, index, weight) {
  setWeights(app, app.state.weights.map((old, i) => (i === index ? weight : old)));
}

function renderPartName(app, part, refs, index) {
  const { state } = app;
  const own = state.pending.names[index];
  const renamed = own ? true : part.renamed && own === undefined;
  const confidence = !own && !part.dead && typeof part.confidence === "number" ? ` ${part.confidence.toFixed(2)}` : "";
  const lead = part.dead ? "nothing found" : renamed || !part.name ? "" : "looks like: ";
  const key = `${lead}|${nameOf(state, part)}|${confidence}`;
  if (refs.nameKey === key) return;
  refs.nameKey = key;
  refs.name.replaceChildren(
    h("span", { class: "muted", text: lead }),
    part.dead ? "" : h("strong", { text: nameOf(state, part), title: nameOf(state, part) }),
    h("span", { class: "confidence", text: confidence, title: renamed ? "Your name: how alike this is to the part you named" : "The classifier's probability" }),
  );
}

function renderPart(app, part, index) {
  const { state } = app;
  const refs = app.refs.parts[index];
  const weight = state.weights[index];
  const name = nameOf(state, part);
  renderPartName(app, part, refs, index);
  refs.node.classList.toggle("off", weight === 0);
  refs.node.classList.toggle("lit", state.lit === part.colour);
  refs.name.hidden = state.editing === index;
  refs.input.hidden = state.editing !== index;
  setAttribute(refs.toggle, "aria-checked", String(weight !== 0 && !part.dead));
  setAttribute(refs.toggle, "aria-label", `Use part ${part.number}, ${name}`);
  setAttribute(refs.rename, "aria-label", `Rename part ${part.number}, ${name}`);
  setAttribute(refs.input, "aria-label", `Name of part ${part.number}`);
  setAttribute(refs.slider, "aria-label", `Weight of part ${part.number}, ${name}`);
  refs.weight.hidden = part.dead || !(state.showWeights || (weight !== 0 && weight !== 1));
  if (Number(refs.slider.value) !== weight) refs.slider.value = weight;
  refs.slider.style.setProperty("--at", `${weight * 50}%`);
  setText(refs.value, `× ${weight.toFixed(2)}`);
}

function renderParts(app) {
  const { state, refs } = app;
  state.data.parts.forEach((part, index) => renderPart(app, part, index));
  setAttribute(refs.weightsToggle, "aria-pressed", String(state.showWeights));
  refs.weightsReset.hidden = state.weights.every((weight) => weight === 1);
}
