// Outlines of regions: marching squares on {strongest part and at least the threshold},
// joined into lines so that they can be stroked smoothly at any size.

/** Value of part j at a pixel, above 0 inside its region: its lead over threshold and rivals. */
function lead(regions, pixel, j) {
  const { k, scaled, threshold } = regions;
  let rival = threshold;
  for (let other = 0; other < k; other += 1) {
    const value = scaled[pixel * k + other];
    if (other !== j && value > rival) rival = value;
  }
  return scaled[pixel * k + j] - rival;
}

/** The crossings of one cell of four pixels as pairs of edges 0 top, 1 right, 2 bottom, 3 left. */
const CELL_EDGES = [
  [], [[3, 0]], [[0, 1]], [[3, 1]], [[1, 2]], [[3, 0], [1, 2]], [[0, 2]], [[3, 2]],
  [[2, 3]], [[2, 0]], [[0, 1], [2, 3]], [[2, 1]], [[1, 3]], [[1, 0]], [[0, 3]], [],
];

function crossings(regions, x, y, j) {
  const { width } = regions;
  const at = y * width + x;
  const corners = [at, at + 1, at + width + 1, at + width].map((pixel) => lead(regions, pixel, j));
  const code = corners.reduce((bits, value, i) => bits | (value > 0 ? 1 << i : 0), 0);
  const between = (a, b) => (a === b ? 0.5 : clamp(a / (a - b), 0, 1));
  const [a, b, c, d] = corners;
  const points = [
    () => ({ id: at * 2, x: x + between(a, b), y }),
    () => ({ id: (at + 1) * 2 + 1, x: x + 1, y: y + between(b, c) }),
    () => ({ id: (at + width) * 2, x: x + between(d, c), y: y + 1 }),
    () => ({ id: at * 2 + 1, x, y: y + between(a, d) }),
  ];
  return CELL_EDGES[code].map(([from, to]) => [points[from](), points[to]()]);
}

/** All segments, one list a part; only cells where the label changes are looked at. */
function segmentsOf(regions) {
  const { k, width, height, labels } = regions;
  const lists = Array.from({ length: k }, () => []);
  for (let y = 0; y < height - 1; y += 1) {
    for (let x = 0; x < width - 1; x += 1) {
      const at = y * width + x;
      const four = [labels[at], labels[at + 1], labels[at + width], labels[at + width + 1]];
      if (four[0] === four[1] && four[0] === four[2] && four[0] === four[3]) continue;
      for (const j of new Set(four)) if (j >= 0) lists[j].push(...crossings(regions, x, y, j));
    }
  }
  return lists;
}

/** Join segments that share an edge crossing. Each crossing has at most two segments. */
function joinSegments(segments) {
  const byEnd = new Map();
  segments.forEach((segment, i) => {
    for (const { id } of segment) byEnd.set(id, [...(byEnd.get(id) ?? []), i]);
  });
  const used = new Uint8Array(segments.length);
  const follow = (line, i) => {
    for (let next = i; next !== undefined; ) {
      used[next] = 1;
      const end = line[line.length - 1];
      const [a, b] = segments[next];
      const point = a.id === end.id ? b : a;
      line.push(point);
      next = byEnd.get(point.id).find((candidate) => !used[candidate]);
    }
  };
  const lines = [];
  segments.forEach((segment, i) => {
    if (used[i]) return;
    const line = [segment[0]];
    follow(line, i);
    const back = byEnd.get(segment[0].id).find((candidate) => !used[candidate]);
    if (back !== undefined) {
      line.reverse();
      follow(line, back);
    }
    lines.push(line);
  });
  return lines;
}

/** Specks say nothing: a line must reach over this share of the picture's longer side. */
const LEAST_REACH = 0.05;

function reach(line) {
  const span = (axis) => Math.max(...line.map((p) => p[axis])) - Math.min(...line.map((p) => p[axis]));
  return Math.max(span("x"), span("y"));
}

/** A part's lines without specks; its longest line always stays. */
function linesOf(segments, regions) {
  const least = LEAST_REACH * Math.max(regions.width, regions.height);
  const lines = joinSegments(segments).sort((a, b) => reach(b) - reach(a));
  return lines.filter((line, i) => i === 0 || reach(line) >= least);
}

/** One Path2D a part, in pixels of the field; computed once for a set of regions. */
function contoursOf(regions) {
  if (!regions.contours) {
    regions.contours = segmentsOf(regions).map((segments) => {
      const path = new Path2D();
      for (const line of linesOf(segments, regions)) {
        line.forEach((p, i) => (i ? path.lineTo(p.x + 0.5, p.y + 0.5) : path.moveTo(p.x + 0.5, p.y + 0.5)));
      }
      return path;
    });
  }
  return regions.contours;
}
