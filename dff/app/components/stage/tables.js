// The dialog's tables: every pair of parts, and the split of the score minus the average.

// The ends are as bright, or as dark, as they can be for one ink that reads on all that lies between
// (contrast of at least 4.6 to 1): the numbers of a table then look alike.
const DIVERGING = {
  light: { below: [66, 133, 204], zero: [238, 239, 241], above: [236, 138, 44], ink: "#14161a" },
  dark: { below: [55, 112, 180], zero: [52, 55, 62], above: [178, 94, 18], ink: "#ffffff" },
};

/** Blue below 0, grey at 0, orange above, and the ink to write on it. */
function divergingStyle(value, largest, dark) {
  const { below, zero, above, ink } = DIVERGING[dark ? "dark" : "light"];
  const t = largest > 0 ? Math.min(1, Math.abs(value) / largest) ** 0.8 : 0;
  const end = value < 0 ? below : above;
  const mixed = zero.map((channel, i) => Math.round(channel + (end[i] - channel) * t));
  return { background: `rgb(${mixed.join(" ")})`, color: ink };
}

/**
 * A square of the photo as large as the places together where a region is at least half as warm as
 * its warmest, there where it holds most of its heat. (Around all of them, ground and sky would
 * show the whole photo.)
 */
function regionCrop(size, heat, j) {
  const [width, height] = fieldSize(size, 96);
  const { k, values } = fieldOf(heat, width, height, true);
  const half = readHeat(heat).maxima[j] / 2;
  let warm = 0;
  // sums[y][x]: the heat above and left of (x, y), so that any square's is four look-ups.
  const sums = [new Float64Array(width + 1)];
  for (let y = 0; y < height; y += 1) {
    sums.push(new Float64Array(width + 1));
    for (let x = 0; x < width; x += 1) {
      const value = values[(y * width + x) * k + j];
      if (half > 0 && value >= half) warm += 1;
      sums[y + 1][x + 1] = value + sums[y][x + 1] + sums[y + 1][x] - sums[y][x];
    }
  }
  if (!warm) return { x: 0, y: 0, width: 1, height: 1 };
  const side = Math.min(Math.max(Math.ceil(Math.sqrt(warm)), 12), width, height);
  let best = { heat: -1, left: 0, top: 0 };
  for (let top = 0; top + side <= height; top += 1) {
    for (let left = 0; left + side <= width; left += 1) {
      const [above, below] = [sums[top], sums[top + side]];
      const held = below[left + side] - below[left] - above[left + side] + above[left];
      if (held > best.heat) best = { heat: held, left, top };
    }
  }
  return { x: best.left / width, y: best.top / height, width: side / width, height: side / height };
}

/** A small crop of a region; it is drawn when its photo is there. */
function regionThumb(app, picture, heat, j) {
  const canvas = h("canvas", { class: "thumb", width: 88, height: 88, "aria-hidden": "true" });
  app.refs.detail.late.push(() => {
    const photo = photoOf(picture.image, app.schedule);
    if (!photo.loaded) return false;
    const crop = regionCrop(picture, heat, j);
    const { naturalWidth: width, naturalHeight: height } = photo.image;
    const source = [crop.x * width, crop.y * height, crop.width * width, crop.height * height];
    canvas.getContext("2d").drawImage(photo.image, ...source, 0, 0, 88, 88);
    return true;
  });
  return canvas;
}

function markedName(app, colour, mark, name) {
  return h("span", { class: "region-name" },
    swatch(app.state.data.palette, colour, mark),
    h("span", { class: "name", text: name, title: name }));
}

function regionHead(app, attributes, picture, heat, j, colour, mark, name) {
  const thumb = heat ? regionThumb(app, picture, heat, j) : null;
  const head = h("th", attributes, h("span", { class: "region-head" }, thumb, markedName(app, colour, mark, name)));
  head.style.setProperty("--part", app.state.data.palette[colour].hex);
  return head;
}

function ownName(app, record, j) {
  if (record.own_names?.[j]) return record.own_names[j];
  const part = app.state.data.parts[partOfColour(app.state, record.own_colours[j])];
  return part ? `goes with ${part.number}` : "its own";
}

function look(app, i, j) {
  app.update({ cell: i === null && j === null ? null : { i, j } });
}

function contributionRow(app, record, values, i, largest) {
  const { data } = app.state;
  const part = data.parts[i];
  const total = sum(values);
  const weight = app.ranking.weights[i];
  const head = regionHead(app, { scope: "row", "data-i": i }, data.query, data.query.heat, i,
    part.colour, String(part.number), nameOf(app.state, part));
  head.onpointerenter = () => look(app, i, null);
  const cells = values.map((value, j) => {
    const word = value === 0 ? "adds nothing" : value > 0 ? "raises the score" : "lowers the score";
    const cell = h("td", {
      class: "cell",
      tabindex: -1,
      "data-i": i,
      "data-j": j,
      "data-testid": "cell",
      text: number(value),
      title: `Your part ${part.number} with its part ${letter(j)} ${word}`,
    });
    Object.assign(cell.style, divergingStyle(value, largest, app.dark));
    cell.onpointerenter = () => look(app, i, j);
    cell.onfocus = () => look(app, i, j);
    return cell;
  });
  return h("tr", { class: weight === 0 ? "off" : null }, head, ...cells,
    h("td", { class: "total", text: number(total) }),
    h("td", { class: "total", text: `× ${weight.toFixed(2)}` }),
    h("td", { class: "total strong", "data-testid": "row-share", text: number(total * weight) }));
}

/** Arrow keys walk the cells; the table is one tab stop. */
function walkCells(table) {
  const cells = [...table.querySelectorAll(".cell")];
  if (cells.length) cells[0].tabIndex = 0;
  table.onkeydown = (event) => {
    const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    const { i, j } = event.target.dataset;
    if (!step || j === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    const next = table.querySelector(`.cell[data-i="${Number(i) + step[0]}"][data-j="${Number(j) + step[1]}"]`);
    if (!next) return;
    event.target.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  };
}

function buildContributions(app, record) {
  const matrix = record.contributions;
  const largest = Math.max(...matrix.flat().map(Math.abs));
  const columns = matrix[0].map((_, j) => {
    const head = regionHead(app, { scope: "col", "data-j": j }, record, record.own, j,
      record.own_colours[j], letter(j), ownName(app, record, j));
    head.onpointerenter = () => look(app, null, j);
    return head;
  });
  const score = sum(matrix.map((row, i) => sum(row) * app.ranking.weights[i]));
  const table = h("table", { class: "contributions", "data-testid": "contributions" },
    h("thead", {}, h("tr", {}, h("th", { class: "corner", text: "Your parts (rows), its parts (columns)" }), ...columns,
      ...["Sum", "Weight", "In the score"].map((text) => h("th", { scope: "col", class: "total", text })))),
    h("tbody", {}, ...matrix.map((row, i) => contributionRow(app, record, row, i, largest))),
    h("tfoot", {}, h("tr", {}, h("th", { scope: "row", text: "Score" }), h("td", { colspan: matrix[0].length + 2 }),
      h("td", { class: "total strong", "data-testid": "detail-score", text: number(score) }))));
  table.onpointerleave = () => look(app, null, null);
  table.onfocusout = (event) => !table.contains(event.relatedTarget) && look(app, null, null);
  walkCells(table);
  return table;
}

function legend(app) {
  const scale = h("span", { class: "diverging" });
  const stops = [-1, -0.5, 0, 0.5, 1].map((value) => divergingStyle(value, 1, app.dark).background);
  scale.style.background = `linear-gradient(90deg, ${stops.join(", ")})`;
  return h("p", { class: "diverging-legend" }, h("span", { text: "lowers the score" }), scale, h("span", { text: "raises the score" }));
}

function averageText(score, mean) {
  const difference = `${number(Math.abs(score - mean))} ${score < mean ? "less" : "more"}`;
  return `An average picture of this collection scores ${number(mean)}; this one scores ${difference}.`;
}

function buildAverage(app, record) {
  const { average, weights } = app.ranking;
  if (!average) return null;
  const { parts } = app.state.data;
  const shares = sharesOf(app.ranking, record.row);
  const usual = average.map((value, i) => value * weights[i]);
  const differences = shares.map((share, i) => share - usual[i]);
  const largest = Math.max(...differences.map(Math.abs));
  const row = (head, [a, b, c], strong) => {
    const last = h("td", { class: "total strong", text: signed(c) });
    if (!strong) Object.assign(last.style, divergingStyle(c, largest, app.dark));
    return h("tr", {}, head, h("td", { class: "total", text: number(a) }), h("td", { class: "total", text: number(b) }), last);
  };
  const partHead = (part) =>
    h("th", { scope: "row" }, markedName(app, part.colour, String(part.number), nameOf(app.state, part)));
  const columns = ["Part", "This picture", "Average", "Difference"];
  const [score, mean] = [sum(shares), sum(usual)];
  return h("section", { class: "average" },
    h("h3", { text: "More than any picture gets" }),
    h("p", { class: "muted", text: averageText(score, mean) }),
    h("div", { class: "scroll" }, h("table", { class: "averages", "data-testid": "averages" },
      h("thead", {}, h("tr", {},
        ...columns.map((text, i) => h("th", { scope: "col", class: i ? "total" : null, text })))),
      h("tbody", {}, ...parts.map((part, i) => row(partHead(part), [shares[i], usual[i], differences[i]]))),
      h("tfoot", {}, row(h("th", { scope: "row", text: "Score" }), [score, mean, score - mean], true)))));
}

function buildTables(app, record) {
  if (!record.contributions) {
    app.refs.detail.table = null;
    const note = h("p", { class: "muted", text: "This kind of search gives no split of the score." });
    return [note, buildAverage(app, record)].filter(Boolean);
  }
  const table = buildContributions(app, record);
  const sentence = h("p", { class: "sentence", "data-testid": "pair-sentence" });
  Object.assign(app.refs.detail, { table, sentence, record });
  const head = h("div", { class: "row-head" }, h("h3", { text: "Where the score comes from" }), legend(app));
  const rule = h("p", { class: "muted", "data-testid": "score-rule", text: app.state.data.rule.text });
  const split = h("section", {}, head, rule, sentence, h("div", { class: "scroll" }, table));
  return [split, buildAverage(app, record)].filter(Boolean);
}

/** The pair looked at in words; without one, the strongest pair. */
function pairSentence(app, record, cell) {
  const matrix = record.contributions;
  let pair = cell && cell.i !== null && cell.j !== null ? cell : null;
  if (!pair) {
    const size = (value, i) => Math.abs(value * app.ranking.weights[i]);
    const all = matrix.flatMap((row, i) => row.map((value, j) => ({ i, j, value: size(value, i) })));
    pair = all.reduce((best, item) => (item.value > best.value ? item : best));
  }
  const part = app.state.data.parts[pair.i];
  const value = matrix[pair.i][pair.j] * app.ranking.weights[pair.i];
  const verb = value > 0 ? "raises" : "lowers";
  const effect = value === 0 ? "adds nothing to the score" : `${verb} the score by ${number(Math.abs(value))}`;
  const lead = pair === cell ? "This pair" : "Strongest pair";
  // Where a part counts with one part of the match only, its row has one cell.
  const best = app.state.data.rule.best_only ? matrix[pair.i].findIndex((cell) => cell !== 0) : -1;
  const reason = best >= 0 && best !== pair.j ? `: its part ${letter(best)} is more like it` : "";
  return `${lead}: your part ${part.number} (${nameOf(app.state, part)}) with its part ${letter(pair.j)} ${effect}${reason}.`;
}

function renderTables(app) {
  const { table, sentence, record } = app.refs.detail;
  if (!table || app.state.detail !== record.row) return;
  const { cell } = app.state;
  for (const node of table.querySelectorAll("[data-i], [data-j]")) {
    const { i, j } = node.dataset;
    const fits = (mark, wanted) => mark === undefined || Number(mark) === wanted;
    const here = cell !== null && fits(i, cell.i) && fits(j, cell.j);
    node.classList.toggle("looked-at", here);
  }
  setText(sentence, pairSentence(app, record, cell));
}
