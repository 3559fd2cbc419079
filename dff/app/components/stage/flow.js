// How parts split from k to k + 1: a column is what is shown cut into k parts, a stream what a part
// becomes in the next column.

const FLOW = { width: 640, height: 330, top: 10, bar: 16, gap: 3, side: 12 };

/** Where every part of every column lies: {x, y, height, middle}, ordered to cross as little as it can. */
function flowPlaces(picture) {
  const { columns, flows } = picture;
  const usable = FLOW.height - FLOW.top - 26 - FLOW.gap * (columns.length - 1);
  const places = [];
  columns.forEach((column, c) => {
    const x = FLOW.side + (c / Math.max(1, columns.length - 1)) * (FLOW.width - 2 * FLOW.side - FLOW.bar);
    const share = (j) => (c === 0 && columns.length === 1 ? 1 : c < flows.length ? sum(flows[c][j]) : sum(flows[c - 1].map((row) => row[j])));
    const middle = (j) => {
      if (c === 0) return 0;
      const from = flows[c - 1].map((row) => row[j]);
      const total = sum(from);
      return total > 0 ? sum(from.map((value, i) => value * places[c - 1][i].middle)) / total : FLOW.height;
    };
    const order = column.parts.map((_, j) => j).sort((a, b) => middle(a) - middle(b) || a - b);
    const own = [];
    let y = FLOW.top;
    for (const j of order) {
      const height = share(j) * usable;
      own[j] = { x, y, height, middle: y + height / 2, order: order.indexOf(j) };
      y += height + FLOW.gap;
    }
    places.push(own);
  });
  return places;
}

function ribbon(x0, y0, x1, y1, height) {
  const half = (x0 + x1) / 2;
  return `M${x0} ${y0}C${half} ${y0} ${half} ${y1} ${x1} ${y1}L${x1} ${y1 + height}C${half} ${y1 + height} ${half} ${y0 + height} ${x0} ${y0 + height}Z`;
}

/**
 * The drawing of {columns, flows}. onPart(k, j): a part is pointed at; onK(k): a column is chosen;
 * onLeave(): the pointer is gone.
 */
function buildFlow(palette, picture, { onPart, onK, onLeave }) {
  const { columns, flows } = picture;
  const places = flowPlaces(picture);
  const usable = FLOW.height - FLOW.top - 26 - FLOW.gap * (columns.length - 1);
  const hexOf = (part) => palette[part.colour].hex;
  const ribbons = [];
  flows.forEach((flow, c) => {
    const down = places[c].map((place) => place.y);
    const entry = places[c + 1].map((place) => place.y);
    const targets = places[c + 1].map((_, j) => j).sort((a, b) => places[c + 1][a].order - places[c + 1][b].order);
    const sources = places[c].map((_, i) => i).sort((a, b) => places[c][a].order - places[c][b].order);
    const starts = flow.map(() => []);
    for (const i of sources) for (const j of targets) {
      starts[i][j] = down[i];
      down[i] += flow[i][j] * usable;
    }
    for (const j of targets) for (const i of sources) {
      const height = flow[i][j] * usable;
      if (height > 0.2) {
        const path = ribbon(places[c][i].x + FLOW.bar, starts[i][j], places[c + 1][j].x, entry[j], height);
        const node = v("path", { d: path, class: "ribbon", fill: hexOf(columns[c + 1].parts[j]) });
        ribbons.push({ node, k: c + 1, i, j });
      }
      entry[j] += height;
    }
  });
  const hatches = palette.flatMap(({ hex, hatched }, i) => (hatched ? [v("pattern", { id: `hatch${i}`, width: 6, height: 6, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" },
    v("rect", { width: 6, height: 6, fill: hex }), v("rect", { width: 2.5, height: 6, fill: "#fff", opacity: 0.6 }))] : []));
  const back = v("rect", { class: "column-back", y: 0, height: FLOW.height - 20, width: FLOW.bar + 16, rx: 6 });
  const bars = columns.flatMap((column, c) => column.parts.map((part, j) => {
    const { x, y, height } = places[c][j];
    const { hex, hatched } = palette[part.colour];
    const rect = v("rect", { x, y, width: FLOW.bar, height: Math.max(0.5, height), rx: 2, fill: hatched ? `url(#hatch${part.colour})` : hex });
    const text = height > 13 ? v("text", { x: x + FLOW.bar / 2, y: y + height / 2 + 4, "text-anchor": "middle", class: "bar-number", text: String(part.number) }) : "";
    const node = v("g", { class: "part-bar" }, rect, text);
    node.onpointerenter = () => onPart(column.k, j);
    node.onclick = () => onK(column.k);
    return { node, k: column.k, j };
  }));
  const labels = columns.map((column, c) => {
    const node = v("text", { x: places[c][0].x + FLOW.bar / 2, y: FLOW.height - 4, "text-anchor": "middle", class: "k-label", text: String(column.k) });
    node.onclick = () => onK(column.k);
    return node;
  });
  const node = v("svg", { class: "flow", viewBox: `0 0 ${FLOW.width} ${FLOW.height}`, role: "img", "data-testid": "flow" },
    v("defs", {}, ...hatches), back, ...ribbons.map((one) => one.node), ...bars.map((one) => one.node), ...labels);
  node.onpointerleave = onLeave;
  return { node, ribbons, bars, labels, back, places };
}

/** Mark the column of k, what is lit ({k, parts}) and the split that is told ({from, part, targets}). */
function renderFlow(flow, k, lit, split) {
  setAttribute(flow.back, "x", flow.places[k - 1][0].x - 8);
  flow.labels.forEach((label, c) => label.classList.toggle("now", c + 1 === k));
  for (const { node, k: from, i, j } of flow.ribbons) {
    const told = split && split.part !== null && from === split.from && i === split.part;
    const touched = lit && ((from === lit.k && lit.parts.includes(i)) || (from + 1 === lit.k && lit.parts.includes(j)));
    node.classList.toggle("lit", Boolean(split ? told && split.targets.includes(j) : touched));
    node.classList.toggle("dim", Boolean(split ? !told : lit && !touched));
  }
  for (const { node, k: own, j } of flow.bars) node.classList.toggle("lit", Boolean(lit && lit.k === own && lit.parts.includes(j)));
}
