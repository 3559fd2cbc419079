// Heatmaps as numbers: decode, upsample (align_corners=false), find regions and peaks.
// A field holds all parts of one picture interleaved: values[pixel * k + part].

const heatCache = new WeakMap();
const fieldCache = new Recent(60);
const regionCache = new Recent(90);

/** Decode a HEAT once: values (k, rows, columns) and each part's maximum. */
function readHeat(heat) {
  if (!heatCache.has(heat)) {
    const { k, rows, columns, scale } = heat;
    const values = Float32Array.from(bytesOf(heat.data), (byte) => (byte / 255) * scale);
    const maxima = Array.from({ length: k }, (_, j) =>
      values.subarray(j * rows * columns, (j + 1) * rows * columns).reduce((a, b) => Math.max(a, b), 0),
    );
    heatCache.set(heat, { k, rows, columns, values, maxima });
  }
  return heatCache.get(heat);
}

/**
 * For each output cell its four source cells and weights (Keys' cubic, or the nearest cell).
 * span: the shares of the picture that the grid covers; kept: outside these shares all is zero.
 */
function taps(length, target, smooth, span, kept) {
  const index = new Int32Array(target * 4);
  const weight = new Float32Array(target * 4);
  for (let i = 0; i < target; i += 1) {
    const share = (i + 0.5) / target;
    if (share < kept[0] || share > kept[1]) continue;
    const at = ((share - span[0]) / (span[1] - span[0])) * length - 0.5;
    const base = smooth ? Math.floor(at) : Math.round(at);
    const t = smooth ? at - base : 0;
    const cubic = [
      -0.5 * t + t * t - 0.5 * t ** 3,
      1 - 2.5 * t * t + 1.5 * t ** 3,
      0.5 * t + 2 * t * t - 1.5 * t ** 3,
      -0.5 * t * t + 0.5 * t ** 3,
    ];
    for (let tap = 0; tap < 4; tap += 1) {
      index[4 * i + tap] = clamp(base - 1 + tap, 0, length - 1);
      weight[4 * i + tap] = cubic[tap];
    }
  }
  return { index, weight };
}

function upsample(heat, width, height, smooth) {
  const { k, rows, columns, values } = readHeat(heat);
  const [left, top, right, bottom] = heat.extent ?? [0, 0, 1, 1];
  const [clipLeft, clipTop, clipRight, clipBottom] = heat.clip ?? [0, 0, 1, 1];
  const across = taps(columns, width, smooth, [left, right], [clipLeft, clipRight]);
  const down = taps(rows, height, smooth, [top, bottom], [clipTop, clipBottom]);
  const wide = new Float32Array(rows * width * k);
  for (let j = 0; j < k; j += 1) {
    for (let y = 0; y < rows; y += 1) {
      const from = (j * rows + y) * columns;
      for (let x = 0; x < width; x += 1) {
        let value = 0;
        for (let t = 4 * x; t < 4 * x + 4; t += 1) value += across.weight[t] * values[from + across.index[t]];
        wide[(y * width + x) * k + j] = value;
      }
    }
  }
  const field = new Float32Array(height * width * k);
  const stride = width * k;
  for (let y = 0; y < height; y += 1) {
    const [a, b, c, d] = [0, 1, 2, 3].map((tap) => down.index[4 * y + tap] * stride);
    const [p, q, r, s] = [0, 1, 2, 3].map((tap) => down.weight[4 * y + tap]);
    const to = y * stride;
    for (let i = 0; i < stride; i += 1) {
      const value = p * wide[a + i] + q * wide[b + i] + r * wide[c + i] + s * wide[d + i];
      field[to + i] = value > 0 ? value : 0;
    }
  }
  return { k, width, height, values: field };
}

function fieldOf(heat, width, height, smooth) {
  const key = `${idOf(heat)}/${width}x${height}/${smooth}`;
  return fieldCache.get(key, () => upsample(heat, width, height, smooth));
}

/**
 * Divide by the chosen maxima and cut into regions.
 * labels: the strongest part of each pixel where it reaches the threshold, else -1.
 * tops: the strongest part's value in each pixel.
 * peaks: per part its strongest pixel, or null where it stays under the threshold.
 */
function regionsOf(heat, maxima, threshold, width, height, smooth) {
  const key = `${idOf(heat)}/${maxima.join()}/${threshold}/${width}x${height}/${smooth}`;
  return regionCache.get(key, () => {
    const field = fieldOf(heat, width, height, smooth);
    const { k, values } = field;
    const pixels = width * height;
    const scaled = new Float32Array(values.length);
    const labels = new Int8Array(pixels).fill(-1);
    const tops = new Float32Array(pixels);
    const best = new Float32Array(k);
    const bestAt = new Int32Array(k).fill(-1);
    const inverse = maxima.map((maximum) => (maximum > 0 ? 1 / maximum : 0));
    for (let pixel = 0, i = 0; pixel < pixels; pixel += 1) {
      let top = threshold;
      for (let j = 0; j < k; j += 1, i += 1) {
        const raw = values[i] * inverse[j];
        const value = raw > 1 ? 1 : raw;
        scaled[i] = value;
        if (value > tops[pixel]) tops[pixel] = value;
        if (value > 0 && value >= top) {
          top = value;
          labels[pixel] = j;
        }
        if (raw > best[j]) {
          best[j] = raw;
          bestAt[j] = pixel;
        }
      }
    }
    const peaks = Array.from(best, (value, j) =>
      value >= threshold && bestAt[j] >= 0
        ? { x: ((bestAt[j] % width) + 0.5) / width, y: (Math.floor(bestAt[j] / width) + 0.5) / height }
        : null,
    );
    return { k, width, height, scaled, tops, labels, peaks, threshold, contours: null };
  });
}

/**
 * The maxima to divide by, for every heat on the screen.
 * items: [{heat, colours}]; parts of one colour belong together over the pictures.
 * Returns a function (heat, colours) -> maximum of each of its parts.
 */
function maximaFor(items, scale) {
  let overall = 0;
  const byColour = new Map();
  for (const { heat, colours } of items) {
    readHeat(heat).maxima.forEach((maximum, j) => {
      overall = Math.max(overall, maximum);
      byColour.set(colours[j], Math.max(byColour.get(colours[j]) ?? 0, maximum));
    });
  }
  return (heat, colours) => {
    const own = readHeat(heat).maxima;
    if (scale === "picture") return own.map(() => Math.max(...own));
    if (scale === "part") return own.map((_, j) => byColour.get(colours[j]) ?? own[j]);
    return own.map(() => overall || Math.max(...own));
  };
}

/** "upper left", "middle", … of a peak. */
function placeName(peak) {
  const vertical = ["upper", "", "lower"][Math.min(2, Math.floor(peak.y * 3))];
  const horizontal = ["left", "middle", "right"][Math.min(2, Math.floor(peak.x * 3))];
  if (!vertical && horizontal === "middle") return "centre";
  return vertical ? `${vertical} ${horizontal}` : horizontal;
}
