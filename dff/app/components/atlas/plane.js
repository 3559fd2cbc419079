// The plane of a map: what is where on the screen, and which pictures have room.

const TILE = 42; // side of a picture, in CSS pixels
const MARGIN = 34; // kept free around the whole map
const DEEPEST = 40; // the largest enlargement

/** A view of the whole. x, y: what of the map (0..1) is in the middle of the window. */
function wholeView() {
  return { scale: 1, x: 0.5, y: 0.5 };
}

/** Pixels a unit of the map has, per axis. */
function spans(view, size) {
  return [
    Math.max(1, size.width - 2 * MARGIN) * view.scale,
    Math.max(1, size.height - 2 * MARGIN) * view.scale,
  ];
}

function toScreen(view, size, x, y) {
  const [w, h] = spans(view, size);
  return [size.width / 2 + (x - view.x) * w, size.height / 2 + (y - view.y) * h];
}

function toMap(view, size, left, top) {
  const [w, h] = spans(view, size);
  return [view.x + (left - size.width / 2) / w, view.y + (top - size.height / 2) / h];
}

/** Enlarged by `factor`, and what is under (left, top) stays there. */
function zoomed(view, size, factor, left, top) {
  const scale = clamp(view.scale * factor, 1, DEEPEST);
  const [x, y] = toMap(view, size, left, top);
  const [w, h] = spans({ scale }, size);
  return held({ scale, x: x - (left - size.width / 2) / w, y: y - (top - size.height / 2) / h });
}

function moved(view, size, dx, dy) {
  const [w, h] = spans(view, size);
  return held({ ...view, x: view.x - dx / w, y: view.y - dy / h });
}

/** The map does not leave the window. */
function held(view) {
  const half = 0.5 / view.scale;
  const least = Math.min(half, 0.5);
  return { ...view, x: clamp(view.x, least, 1 - least), y: clamp(view.y, least, 1 - least) };
}

/**
 * Which pictures have room at this scale: earlier rows first, and never two on top of each other.
 * It does not depend on where the window is, so that moving it changes no picture to a dot.
 */
function roomy(points, view, size) {
  const [w, h] = spans(view, size);
  const cells = new Map();
  const found = [];
  for (let row = 0; row < points.length / 2; row += 1) {
    const [left, top] = [points[2 * row] * w, points[2 * row + 1] * h];
    const [column, line] = [Math.floor(left / TILE), Math.floor(top / TILE)];
    let free = true;
    for (let dy = -1; dy <= 1 && free; dy += 1) {
      for (let dx = -1; dx <= 1 && free; dx += 1) {
        const other = cells.get(`${column + dx} ${line + dy}`);
        if (other && Math.abs(other[0] - left) < TILE && Math.abs(other[1] - top) < TILE) free = false;
      }
    }
    if (!free) continue;
    cells.set(`${column} ${line}`, [left, top]);
    found.push(row);
  }
  return found;
}

/** The picture nearest to a place on the screen, within `reach` pixels; pictures before dots. */
function nearest(places, shown, left, top, reach) {
  let [best, least] = [-1, Infinity];
  for (let row = 0; row < places.length / 2; row += 1) {
    const [dx, dy] = [Math.abs(places[2 * row] - left), Math.abs(places[2 * row + 1] - top)];
    const inside = shown.has(row) && Math.max(dx, dy) <= TILE / 2;
    const distance = inside ? Math.hypot(dx, dy) - TILE : Math.hypot(dx, dy);
    if ((inside || distance <= reach) && distance < least) [best, least] = [row, distance];
  }
  return best;
}

/** The picture next to `row` in a direction: near, and rather ahead than aside. */
function neighbour(places, row, dx, dy) {
  let [best, least] = [row, Infinity];
  for (let other = 0; other < places.length / 2; other += 1) {
    if (other === row) continue;
    const right = places[2 * other] - places[2 * row];
    const down = places[2 * other + 1] - places[2 * row + 1];
    const ahead = right * dx + down * dy;
    const aside = Math.abs(right * dy) + Math.abs(down * dx);
    if (ahead <= 0 || aside > 2 * ahead) continue;
    const cost = ahead + 2 * aside;
    if (cost < least) [best, least] = [other, cost];
  }
  return best;
}
