// One picture on a canvas: grey photo, tinted parts, outlines, numbers, box.

const LARGEST_GROWTH = 1.5; // no photo is shown above 1.5 times its own size
const photoCache = new Recent(150);
const tintCanvas = h("canvas");

/** A decoded photo by its data URI; `ready` is called once when it has arrived. */
function photoOf(uri, ready) {
  const photo = photoCache.get(uri, () => {
    const image = new Image();
    const entry = { image, loaded: false, grey: {}, waiting: new Set() };
    image.onload = () => {
      entry.loaded = true;
      for (const call of entry.waiting) call();
      entry.waiting.clear();
    };
    image.src = uri;
    return entry;
  });
  if (!photo.loaded) photo.waiting.add(ready);
  return photo;
}

/** The photo in grey, lifted a little (light) or held down (dark) so that colours read. */
function greyPhoto(photo, dark) {
  if (!photo.grey[dark]) {
    const canvas = document.createElement("canvas");
    canvas.width = photo.image.naturalWidth;
    canvas.height = photo.image.naturalHeight;
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(photo.image, 0, 0);
    const picture = context.getImageData(0, 0, canvas.width, canvas.height);
    const { data } = picture;
    const [base, gain] = dark ? [16, 0.74] : [40, 0.84];
    for (let i = 0; i < data.length; i += 4) {
      const luma = 0.299 * data[i] + 0.587 * data[i + 1] + 0.114 * data[i + 2];
      data[i] = data[i + 1] = data[i + 2] = base + gain * luma;
    }
    context.putImageData(picture, 0, 0);
    photo.grey[dark] = canvas;
  }
  return photo.grey[dark];
}

function rgbOf(hex) {
  return [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
}

/** Size of the field for a picture: its longest side is `longest`. */
function fieldSize(size, longest) {
  const ratio = longest / Math.max(size.width, size.height);
  return [Math.max(8, Math.round(size.width * ratio)), Math.max(8, Math.round(size.height * ratio))];
}

function regionsFor(view) {
  const [width, height] = fieldSize(view.size, view.detail);
  return regionsOf(view.heat, view.maxima, view.threshold, width, height, view.smooth);
}

/** What the tint needs of each part: its colour, and whether it is hatched and shown. */
function inksOf(view) {
  const inks = new Float32Array(view.colours.length * 5);
  view.colours.forEach((colour, j) => {
    const { hex, hatched } = view.palette[colour];
    inks.set([...rgbOf(hex), view.strengths[j], hatched ? 1 : 0], j * 5);
  });
  return inks;
}

/** Tint: the strongest part wins softly (weights heat³); alpha grows gently from the threshold. */
function tintOf(view, regions) {
  const { k, width, height, scaled, tops } = regions;
  const picture = new ImageData(width, height);
  const { data } = picture;
  const inks = inksOf(view);
  const low = view.threshold * 0.6;
  const span = Math.max(0.1, Math.min(1, view.threshold + 0.2) - low);
  const pixels = width * height;
  for (let pixel = 0; pixel < pixels; pixel += 1) {
    if (tops[pixel] <= low) continue;
    const striped = ((pixel % width) + ((pixel / width) | 0)) % 8 < 3;
    let total = 0;
    let seen = 0;
    let red = 0;
    let green = 0;
    let blue = 0;
    for (let i = pixel * k, ink = 0; i < (pixel + 1) * k; i += 1, ink += 5) {
      const value = scaled[i];
      if (value < 0.03) continue;
      const cube = value * value * value;
      const weight = cube * inks[ink + 3] * (striped && inks[ink + 4] ? 0.25 : 1);
      total += cube;
      seen += weight;
      red += weight * inks[ink];
      green += weight * inks[ink + 1];
      blue += weight * inks[ink + 2];
    }
    if (seen === 0) continue;
    const t = Math.min(1, (tops[pixel] - low) / span);
    const at = pixel * 4;
    data[at] = red / seen;
    data[at + 1] = green / seen;
    data[at + 2] = blue / seen;
    data[at + 3] = 255 * view.opacity * t * t * (3 - 2 * t) * (seen / total);
  }
  return picture;
}

function drawTint(context, view, regions) {
  tintCanvas.width = regions.width;
  tintCanvas.height = regions.height;
  tintCanvas.getContext("2d").putImageData(tintOf(view, regions), 0, 0);
  context.imageSmoothingEnabled = view.smooth;
  context.drawImage(tintCanvas, 0, 0, context.canvas.width, context.canvas.height);
  context.imageSmoothingEnabled = true;
}

function drawOutlines(context, view, regions, ratio) {
  const scale = context.canvas.width / regions.width;
  context.save();
  context.setTransform(scale, 0, 0, context.canvas.height / regions.height, 0, 0);
  context.lineJoin = "round";
  const line = (path, width, colour, alpha) => {
    context.lineWidth = (width * ratio) / scale;
    context.strokeStyle = colour;
    context.globalAlpha = alpha;
    context.stroke(path);
  };
  contoursOf(regions).forEach((path, j) => {
    const { hex } = view.palette[view.colours[j]];
    const strength = view.strengths[j];
    if (strength === 0) context.setLineDash([(3 * ratio) / scale, (3 * ratio) / scale]);
    line(path, strength === 1 ? 4 : 2.5, "#ffffff", strength === 1 ? 0.75 : 0.25);
    line(path, strength === 1 ? 2 : 1.2, hex, strength === 1 ? 1 : 0.5);
    context.setLineDash([]);
  });
  context.restore();
}

/** Where the number badges go: at the peaks, pushed apart where they would overlap. */
function badgePlaces(view, regions, canvas, radius) {
  const places = [];
  regions.peaks.forEach((peak, j) => {
    if (!peak || view.strengths[j] === 0) return;
    places.push({ j, x: peak.x * canvas.width, y: peak.y * canvas.height });
  });
  for (let round = 0; round < 6; round += 1) {
    for (const a of places) {
      for (const b of places) {
        if (a.j >= b.j) continue;
        const [dx, dy] = [b.x - a.x, b.y - a.y];
        const distance = Math.hypot(dx, dy);
        const missing = 2 * radius + 1 - distance;
        if (missing <= 0) continue;
        const [ux, uy] = distance > 0 ? [dx / distance, dy / distance] : [1, 0];
        a.x -= (ux * missing) / 2;
        a.y -= (uy * missing) / 2;
        b.x += (ux * missing) / 2;
        b.y += (uy * missing) / 2;
      }
    }
  }
  for (const place of places) {
    place.x = clamp(place.x, radius + 1, canvas.width - radius - 1);
    place.y = clamp(place.y, radius + 1, canvas.height - radius - 1);
  }
  return places;
}

function drawBadges(context, view, regions, ratio) {
  const radius = clamp(context.canvas.width / ratio / 22, 7, view.badge) * ratio;
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.font = `700 ${Math.round(radius * 1.3)}px ${view.font}`;
  for (const { j, x, y } of badgePlaces(view, regions, context.canvas, radius)) {
    context.globalAlpha = view.strengths[j] === 1 ? 1 : 0.45;
    context.beginPath();
    context.arc(x, y, radius, 0, 2 * Math.PI);
    context.fillStyle = view.palette[view.colours[j]].hex;
    context.fill();
    context.lineWidth = 1.5 * ratio;
    context.strokeStyle = "#ffffff";
    context.stroke();
    context.lineWidth = 2.5 * ratio;
    context.lineJoin = "round";
    context.strokeStyle = "rgb(0 0 0 / 0.65)";
    context.strokeText(view.names[j], x, y + radius * 0.08);
    context.fillStyle = "#ffffff";
    context.fillText(view.names[j], x, y + radius * 0.08);
  }
  context.globalAlpha = 1;
}

function drawBox(context, view, ratio) {
  const { canvas } = context;
  const [x0, y0, x1, y1] = view.box.map((value, i) =>
    i % 2 ? (value / view.size.height) * canvas.height : (value / view.size.width) * canvas.width,
  );
  for (const [width, colour] of [[3.5, "rgb(0 0 0 / 0.55)"], [1.5, "#ffffff"]]) {
    const inset = (3.5 * ratio) / 2;
    context.lineWidth = width * ratio;
    context.strokeStyle = colour;
    context.strokeRect(
      clamp(x0, inset, canvas.width - inset),
      clamp(y0, inset, canvas.height - inset),
      Math.min(x1, canvas.width - inset) - clamp(x0, inset, canvas.width - inset),
      Math.min(y1, canvas.height - inset) - clamp(y0, inset, canvas.height - inset),
    );
  }
}

/** A picture's nodes; `paint` fills them. */
function createPicture(testid) {
  const canvas = h("canvas", { class: "photo", role: "img", "data-testid": testid });
  return { canvas, wrap: h("div", { class: "photo-wrap" }, canvas), drawn: "", regions: null };
}

/** Fix the photo's place in its frame from sizes alone, so that nothing moves when it fills. */
function sizePicture(picture, size, shown, limits) {
  const widths = ["100%", `${Math.round(shown.width * LARGEST_GROWTH)}px`, ...limits];
  picture.wrap.style.width = `min(${widths.join(", ")})`;
  picture.wrap.style.aspectRatio = `${size.width} / ${size.height}`;
}

function signatureOf(view, photo, width) {
  const numbers = [view.opacity, view.threshold, view.smooth, view.overlay, view.dark, view.badge];
  const lists = [view.strengths, view.maxima ?? [], view.colours ?? [], view.names ?? [], view.box ?? []];
  return [idOf(photo), idOf(view.heat), width, ...numbers, ...lists.map((list) => list.join())].join("|");
}

/** Draw the view when anything in it changed. `ready`: called when a photo arrives later. */
function paint(picture, view, ready) {
  const { canvas } = picture;
  const photo = photoOf(view.image, ready);
  const ratio = Math.min(2, devicePixelRatio || 1);
  // The photo that came may be smaller than announced (a thumbnail at first).
  if (photo.loaded) picture.wrap.style.maxWidth = `${photo.image.naturalWidth * LARGEST_GROWTH}px`;
  const width = Math.round(canvas.clientWidth * ratio);
  picture.regions = view.heat && view.overlay ? regionsFor(view) : null;
  if (!photo.loaded || !width) return;
  const signature = signatureOf(view, photo, width);
  if (signature === picture.drawn) return;
  picture.drawn = signature;
  canvas.width = width;
  canvas.height = Math.round((width * view.size.height) / view.size.width);
  canvas.classList.add("filled");
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  const source = view.overlay ? greyPhoto(photo, view.dark) : photo.image;
  context.drawImage(source, 0, 0, canvas.width, canvas.height);
  if (picture.regions) {
    drawTint(context, view, picture.regions);
    drawOutlines(context, view, picture.regions, ratio);
  }
  if (view.box) drawBox(context, view, ratio);
  if (picture.regions) drawBadges(context, view, picture.regions, ratio);
}

/** The region under the pointer, or -1. */
function regionAt(picture, event) {
  const { regions, canvas } = picture;
  if (!regions) return -1;
  const frame = canvas.getBoundingClientRect();
  const x = Math.floor(((event.clientX - frame.left) / frame.width) * regions.width);
  const y = Math.floor(((event.clientY - frame.top) / frame.height) * regions.height);
  if (x < 0 || y < 0 || x >= regions.width || y >= regions.height) return -1;
  return regions.labels[y * regions.width + x];
}

const darkCache = new Recent(10);

/** Whether a CSS colour is dark (the theme can be any the user made). */
function isDark(colour) {
  return darkCache.get(colour, () => measureDark(colour));
}

function measureDark(colour) {
  const context = document.createElement("canvas").getContext("2d");
  context.fillStyle = "#ffffff";
  context.fillStyle = colour.trim();
  context.fillRect(0, 0, 1, 1);
  const [red, green, blue] = context.getImageData(0, 0, 1, 1).data;
  return 0.299 * red + 0.587 * green + 0.114 * blue < 128;
}
