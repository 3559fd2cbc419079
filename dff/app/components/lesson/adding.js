// Step 4: from one vector a part to one vector a picture, as strips of this picture's numbers.

const addingStep = { build: buildAdding, render: renderAdding, answer: (app) => app.picture.answer };

function buildAdding(app) {
  const { picture } = app;
  const { parts, lengths, weights } = picture;
  const k = parts.length;
  const [channels, dimensions] = picture.shown;
  const values = { raw: floatsOf(picture.raw), unit: floatsOf(picture.unit), whitened: floatsOf(picture.whitened), sum: floatsOf(picture.sum), vector: floatsOf(picture.vector) };
  const strips = [];
  const strip = (kind, j, count, label, unit) => {
    const own = values[kind].subarray(j * count, (j + 1) * count);
    const canvas = h("canvas", { class: `vector ${kind}`, width: count, height: 1, role: "img", "aria-label": label, "data-testid": `strip-${kind}` });
    canvas.onpointermove = (event) => {
      const frame = canvas.getBoundingClientRect();
      const i = clamp(Math.floor(((event.clientX - frame.left) / frame.width) * count), 0, count - 1);
      app.update({ reading: `${label}, ${unit} ${i + 1} of the ${count} drawn: ${number(own[i], 4)}` });
    };
    canvas.onpointerleave = () => app.update({ reading: null });
    strips.push({ canvas, own, kind });
    return canvas;
  };
  const head = (text, more) => h("th", { scope: "col" }, h("strong", { text }), h("span", { class: "muted", text: more }));
  const rows = parts.map((part, j) => h("tr", {},
    h("th", { scope: "row" }, partLine(app, part)),
    h("td", { "data-label": "Basis vector" }, h("span", { class: "with-length" }, strip("raw", j, channels, `Basis vector of part ${part.number}`, "channel"), h("span", { class: "length", text: short(lengths.raw[j]) }))),
    h("td", { "data-label": "Normalised" }, strip("unit", j, channels, `Part ${part.number} at length 1`, "channel")),
    h("td", { "data-label": "Whitened" }, strip("whitened", j, dimensions, `Part ${part.number} whitened`, "number")),
    h("td", { class: "times", "data-label": "Weight", text: `× ${number(weights[j], 2)}` })));
  const whiten = picture.centred
    ? `minus what is usual here${picture.rescaled ? ", rescaled" : ""}, turned to ${picture.dimensions} numbers`
    : "this collection is too small for it";
  const result = (text, kind, length) => h("div", { class: "result-strip" }, h("p", {}, h("strong", { text }), h("span", { class: "muted", text: ` length ${short(length)}` })),
    strip(kind, 0, dimensions, text, "number"));
  app.refs.step = { strips, few: k <= 6, reading: h("p", { class: "muted reading", "data-testid": "reading" }), tables: null };
  const before = cosineTable(app, picture.before, "Before whitening");
  const after = cosineTable(app, picture.after, "After whitening");
  app.refs.step.tables = [before, after];
  return h("div", { class: "adding" },
    h("div", { class: "scroll" }, h("table", { class: "vectors" },
      h("thead", {}, h("tr", {}, h("td", {}), head("Basis vector", `${picture.channels} channels, and its length`), head("1 Normalise", "to length 1"), head("2 Whiten", whiten), head("3 Weigh", "by energy"))),
      h("tbody", {}, ...rows))),
    h("div", { class: "ends" },
      h("div", { class: "results-strips" }, result("3 Sum", "sum", lengths.sum), result("4 Normalise: the descriptor", "vector", lengths.vector),
        app.refs.step.reading, h("p", { class: "fine", text: picture.note })),
      h("div", { class: "cosines", "data-testid": "cosines" }, before.node, after.node)));
}

/** Cosines between the parts; its numbers come with the answer. */
function cosineTable(app, values, title) {
  const cells = values.map((row, i) => row.map((value, j) => ({ value, i, j, node: h("td", { class: "cosine" }) })));
  const node = h("figure", {}, h("figcaption", { text: title }),
    h("table", { class: "cosine-table" }, h("tbody", {}, ...cells.map((row) => h("tr", {}, ...row.map((cell) => cell.node))))));
  return { node, cells: cells.flat() };
}

function renderAdding(app) {
  const s = app.refs.step;
  const { picture, dark } = app;
  const largest = {};
  for (const { kind, own } of s.strips) largest[kind] = Math.max(largest[kind] ?? 0, ...own.map(Math.abs));
  for (const { canvas, own, kind } of s.strips) {
    const context = canvas.getContext("2d");
    const image = new ImageData(own.length, 1);
    own.forEach((value, i) => {
      const colour = kind === "raw" || kind === "unit" ? inkShade(value / (largest[kind] || 1), dark) : signShade(value / (largest[kind] || 1), dark);
      image.data.set([...colour, 255], 4 * i);
    });
    context.putImageData(image, 0, 0);
  }
  setText(s.reading, app.ui.reading ?? `Drawn: the ${picture.shown[0]} strongest channels, and the first ${picture.shown[1]} numbers after whitening. Blue is below 0, orange above.`);
  for (const { cells } of s.tables) {
    for (const { value, i, j, node } of cells) {
      setText(node, app.shown && s.few ? number(value, 2) : "");
      setAttribute(node, "title", app.shown ? `Parts ${i + 1} and ${j + 1}: ${number(value, 2)}` : null);
      Object.assign(node.style, app.shown && i !== j ? divergingStyle(value, 1, dark) : { background: "", color: "" });
    }
  }
}

/** 0 is the ground, 1 the ink. */
function inkShade(share, dark) {
  const [ground, ink] = dark ? [[42, 45, 52], [250, 214, 140]] : [[236, 238, 242], [46, 20, 94]];
  const t = Math.sqrt(clamp(share, 0, 1));
  return ground.map((channel, i) => Math.round(channel + (ink[i] - channel) * t));
}

function signShade(share, dark) {
  return divergingStyle(Math.sign(share) * Math.abs(share) ** 0.6, 1, dark).background.match(/\d+/g).map(Number);
}
