// Scores and ranks in the browser: score of a row = sum of weight × that part's share.

/** Decode `data.scores` (little-endian float32, n rows of k numbers). */
function readScores(scores) {
  if (!scores) return null;
  const view = new DataView(bytesOf(scores.rows).buffer);
  const values = new Float32Array(view.byteLength / 4);
  for (let i = 0; i < values.length; i += 1) values[i] = view.getFloat32(4 * i, true);
  const shown = new Uint8Array(scores.n).fill(1);
  for (const row of scores.exclude) shown[row] = 0;
  return { n: scores.n, k: values.length / scores.n, values, shown, average: scores.average };
}

/** All ranks for these weights, best first; equal scores: the lower row first. */
function rankLocally(table, weights) {
  const { n, k, values, shown } = table;
  const scores = new Float64Array(n);
  for (let row = 0; row < n; row += 1) {
    let score = 0;
    for (let i = 0; i < k; i += 1) score += weights[i] * values[row * k + i];
    scores[row] = score;
  }
  const order = [];
  for (let row = 0; row < n; row += 1) if (shown[row]) order.push(row);
  order.sort((a, b) => scores[b] - scores[a] || a - b);
  const ranks = new Map(order.map((row, place) => [row, place + 1]));
  return {
    order,
    weights,
    average: table.average,
    rank: (row) => ranks.get(row) ?? null,
    score: (row) => scores[row],
    rows: (row) => Array.from(values.subarray(row * k, row * k + k)),
    /** Share of the other pictures with a lower score, 0 to 1. */
    percentile(row) {
      if (order.length < 2) return null;
      let lower = order.length - ranks.get(row);
      for (let at = ranks.get(row); at < order.length; at += 1) {
        if (scores[order[at]] < scores[row]) break;
        lower -= 1;
      }
      return lower / (order.length - 1);
    },
  };
}

/** The server's ranking (large collections): it holds for the weights the server knows. */
function rankFromServer(data) {
  const ranking = data.ranking ?? [];
  const entries = new Map(ranking.map((entry, place) => [entry.row, { ...entry, place }]));
  const entryOf = (row) => entries.get(row);
  return {
    order: ranking.map((entry) => entry.row),
    weights: data.weights,
    average: data.average ?? null,
    rank: (row) => (entries.has(row) ? entryOf(row).place + 1 : null),
    score: (row) => entryOf(row)?.score ?? 0,
    rows: (row) => entryOf(row)?.rows ?? data.parts.map(() => 0),
    percentile: (row) => entryOf(row)?.percentile ?? null,
  };
}

/** What the parts add to a row's score, weights applied. */
function sharesOf(ranking, row) {
  return ranking.rows(row).map((share, i) => share * (ranking.weights[i] ?? 1));
}

function percentileText(share) {
  if (share === null) return "";
  if (share >= 1) return "above all other pictures";
  return `above ${Math.floor(share * 100)} % of the pictures`;
}
