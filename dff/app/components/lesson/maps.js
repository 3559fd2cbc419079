// Step 1: the stack of channels. Browse them, and see what one position holds.

const STRIP = 8; // maps in the strip

const mapsStep = { build: buildMaps, render: renderMaps, show: () => undefined, answer: mapsAnswer };

function mapCells(app) {
  const { picture } = app;
  const cells = picture.rows * picture.columns;
  picture.values ??= levelsOf(picture.maps);
  picture.count ??= picture.ids.length;
  picture.largest ??= Array.from({ length: picture.count }, (_, c) =>
    picture.values.subarray(c * cells, (c + 1) * cells).reduce((a, b) => Math.max(a, b), 0));
  return cells;
}

function strongestCell(app, channel) {
  const cells = mapCells(app);
  const own = app.picture.values.subarray(channel * cells, (channel + 1) * cells);
  return own.indexOf(app.picture.largest[channel]);
}

function buildMaps(app) {
  const { picture } = app;
  const { refs } = app;
  mapCells(app);
  app.ui.channel ??= picture.start;
  app.ui.cell ??= strongestCell(app, picture.start);
  const photo = lessonPicture(app, app.data.source, "map-photo");
  const overlay = h("canvas", { class: "cells", "aria-hidden": "true" });
  const layer = cellLayer(picture, "Position in the map; arrow keys move it", (cell) => app.update({ cell }), true);
  photo.picture.wrap.append(overlay, layer.layer);
  const slider = h("input", {
    type: "range", min: 0, max: picture.count - 1, step: 1, "data-testid": "channel", "aria-label": "Channel, strongest first",
  });
  slider.oninput = () => app.update({ channel: Number(slider.value) });
  const column = h("canvas", { class: "column", width: 2 * picture.count, height: 160, role: "img", "data-testid": "column" });
  column.onpointerdown = (event) => {
    const frame = column.getBoundingClientRect();
    app.update({ channel: clamp(Math.floor(((event.clientX - frame.left) / frame.width) * picture.count), 0, picture.count - 1) });
  };
  const strip = Array.from({ length: STRIP }, () => {
    const item = { canvas: h("canvas", { "aria-hidden": "true" }), label: h("span", {}) };
    item.node = h("button", { class: "map-thumb", type: "button", "data-testid": "map-thumb" }, item.canvas, item.label);
    item.node.onclick = () => app.update({ channel: item.channel });
    return item;
  });
  const bar = h("span", { class: "ramp" });
  bar.style.background = rampCss(rampOf(picture));
  refs.step = {
    photo: photo.picture, overlay, layer, slider, column, strip,
    title: h("h3", { "data-testid": "channel-title" }), fact: h("p", { class: "muted" }), high: h("span", {}),
    here: h("p", { class: "here", "data-testid": "here" }), stripTitle: h("p", { class: "muted" }),
  };
  const s = refs.step;
  return h("div", { class: "two" }, photo.node, h("div", { class: "panel" },
    h("div", { class: "group" }, s.title, slider, s.fact, h("p", { class: "scale" }, h("span", { text: "0" }), bar, s.high)),
    h("div", { class: "group" }, s.stripTitle, h("div", { class: "strip" }, ...strip.map((item) => item.node))),
    h("div", { class: "group" }, s.here, column)));
}

/** The channels whose maps look most like this one: [channel, cosine], best first. */
function alikeChannels(app, channel) {
  const cells = mapCells(app);
  const { values, count } = app.picture;
  app.picture.alike ??= new Map();
  if (!app.picture.alike.has(channel)) {
    const own = values.subarray(channel * cells, (channel + 1) * cells);
    const length = (map) => Math.hypot(...map);
    const found = [];
    for (let c = 0; c < count; c += 1) {
      const map = values.subarray(c * cells, (c + 1) * cells);
      let product = 0;
      for (let p = 0; p < cells; p += 1) product += own[p] * map[p];
      const lengths = length(own) * length(map);
      if (c !== channel) found.push([c, lengths > 0 ? product / lengths : 0]);
    }
    app.picture.alike.set(channel, found.sort((a, b) => b[1] - a[1]).slice(0, STRIP));
  }
  return app.picture.alike.get(channel);
}

function renderMaps(app) {
  const { picture, ui, shown } = app;
  const s = app.refs.step;
  const { source } = app.data;
  const cells = mapCells(app);
  const ramp = rampOf(picture);
  const { channel, cell } = ui;
  const high = picture.largest[channel];
  paint(s.photo, lessonView(app, source, null, []), app.schedule);
  paintCells(s.overlay, picture.values, channel * cells, picture, high, ramp, (share) => 60 + 170 * share);
  const [x0, y0, x1, y1] = picture.extent;
  Object.assign(s.overlay.style, { left: `${x0 * 100}%`, top: `${y0 * 100}%`, width: `${(x1 - x0) * 100}%`, height: `${(y1 - y0) * 100}%` });
  s.layer.place(cell);
  if (Number(s.slider.value) !== channel) s.slider.value = channel;
  s.slider.style.setProperty("--at", `${(channel / Math.max(1, picture.count - 1)) * 100}%`);
  setAttribute(s.slider, "aria-valuetext", `${channel + 1} of ${picture.count}, strongest first`);
  setText(s.title, `Channel ${channel + 1} of the ${picture.count} strongest`);
  const layer = picture.joined > 1 ? `, from layer ${picture.layers[channel]} of ${picture.joined}` : "";
  setText(s.fact, `Number ${picture.ids[channel]} of ${picture.channels}${layer}. It holds ${percent(picture.shares[channel])} of all energy.`);
  setText(s.high, short(high));
  const first = clamp(Math.floor(channel / STRIP) * STRIP, 0, Math.max(0, picture.count - STRIP));
  const alike = shown ? alikeChannels(app, channel) : null;
  setText(s.stripTitle, shown ? `The maps most like channel ${channel + 1}, with their cosines` : "The stack, strongest first");
  s.strip.forEach((item, i) => {
    const now = alike ? alike[i]?.[0] : first + i;
    item.node.hidden = now === undefined || now >= picture.count;
    if (item.node.hidden) return;
    item.channel = now;
    paintCells(item.canvas, picture.values, now * cells, picture, picture.largest[now], ramp);
    setText(item.label, alike ? `${now + 1}: ${alike[i][1].toFixed(2)}` : String(now + 1));
    setAttribute(item.node, "aria-pressed", String(now === channel));
    setAttribute(item.node, "aria-label", alike ? `Channel ${now + 1}, cosine ${alike[i][1].toFixed(2)}` : `Channel ${now + 1}`);
  });
  renderColumn(app, cells);
}

/** The values of all channels at the chosen position, one bar each. */
function renderColumn(app, cells) {
  const { picture, ui } = app;
  const s = app.refs.step;
  const here = Array.from({ length: picture.count }, (_, c) => picture.values[c * cells + ui.cell]);
  const largest = Math.max(...here, 1e-9);
  const canvas = s.column;
  const context = canvas.getContext("2d");
  context.clearRect(0, 0, canvas.width, canvas.height);
  const ramp = rampOf(picture);
  const ink = getComputedStyle(app.root).color;
  here.forEach((value, c) => {
    const height = (value / largest) * (canvas.height - 14);
    const at = 3 * Math.round((app.dark ? 0.35 + 0.6 * (value / largest) : 0.75 * (value / largest)) * 255);
    context.fillStyle = c === ui.channel ? ink : `rgb(${ramp[at]} ${ramp[at + 1]} ${ramp[at + 2]})`;
    context.fillRect(2 * c, canvas.height - height, c === ui.channel ? 3 : 2, height);
  });
  context.fillStyle = ink;
  context.beginPath();
  context.moveTo(2 * ui.channel + 1, 11);
  context.lineTo(2 * ui.channel - 5, 0);
  context.lineTo(2 * ui.channel + 7, 0);
  context.fill();
  const order = here.map((value, c) => [value, c]).sort((a, b) => b[0] - a[0]).slice(0, 3);
  const [row, column] = [Math.floor(ui.cell / picture.columns) + 1, (ui.cell % picture.columns) + 1];
  const text = `Position row ${row}, column ${column}: channel ${ui.channel + 1} is ${short(here[ui.channel])}. ` +
    `Strongest here: ${order.map(([value, c]) => `${c + 1} (${short(value)})`).join(", ")}.`;
  setText(s.here, text);
  setAttribute(canvas, "aria-label", `One number a channel at this position. ${text}`);
}

function mapsAnswer(app) {
  const alike = alikeChannels(app, app.ui.channel);
  const close = alike.filter(([, cosine]) => cosine >= 0.8).length;
  const names = listed(alike.slice(0, 3).map(([c]) => String(c + 1)));
  if (!close) return `Channel ${app.ui.channel + 1} is rather alone: the maps most like it, ${names}, have cosines of at most ${alike[0][1].toFixed(2)}. Try another one.`;
  return `No. Channels ${names} light up in the same places as channel ${app.ui.channel + 1}. Because many channels say the same, a few parts can stand for all of them.`;
}
