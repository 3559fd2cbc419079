// The query: its picture with the parts, its title, and the way to mark a region.

const QUERY_HEIGHT = 320;

function buildQuery(app) {
  const { query } = app.state.data;
  const picture = createPicture("query-picture");
  const ratio = query.width / query.height;
  const tallest = Math.min(QUERY_HEIGHT, Math.round(query.height * LARGEST_GROWTH));
  const frame = h("div", { class: "frame query-frame" }, picture.wrap);
  frame.style.aspectRatio = `${query.width} / ${query.height}`;
  frame.style.maxHeight = `${tallest}px`;
  sizePicture(picture, query, query, [`${Math.round(tallest * ratio)}px`]);
  lightUnderPointer(app, picture, () => heatOf(app, query, null).colours);
  const box = buildBox(app, picture);
  app.refs.query = { picture, box };
  return h("section", { class: "query", "aria-label": "Query", "data-testid": "query" },
    h("header", { class: "query-head" },
      h("h2", { text: query.title, "data-testid": "query-title" }),
      query.note ? h("p", { class: "muted", text: query.note }) : null),
    frame, box.controls);
}

/** Hovering a pixel lights its part on the whole screen; so does a tap. */
function lightUnderPointer(app, picture, coloursNow) {
  const follow = (event) => {
    const region = regionAt(picture, event);
    light(app, region < 0 ? null : coloursNow()[region]);
  };
  picture.canvas.onpointermove = follow;
  picture.canvas.onpointerdown = follow;
  picture.canvas.onpointerleave = () => light(app, null);
}

/** The heat to show for a picture in a view mode, and the colour of each of its parts. */
function heatOf(app, picture, ownColours, mode = app.state.view.mode) {
  const partColours = app.state.data.parts.map((part) => part.colour);
  const own = picture.own ?? picture.heat;
  if (mode === "own" && own) return { heat: own, colours: ownColours ?? partColours };
  return { heat: picture.joint, colours: partColours };
}

function partOfColour(state, colour) {
  return state.data.parts.findIndex((part) => part.colour === colour);
}

/** 1 shown, 0 switched off, between: stepped back while another part is lit. */
function strengthsOf(state, colours) {
  return colours.map((colour) => {
    if (state.lit !== null) return colour === state.lit ? 1 : 0.12;
    return state.weights[partOfColour(state, colour)] === 0 ? 0 : 1;
  });
}

/** What `paint` needs for a query or a card in the present view; `special` overrides. */
function viewOf(app, picture, ownColours, special = {}) {
  const { state } = app;
  const { heat, colours } = special.heat ? special : heatOf(app, picture, ownColours);
  const numberOf = (colour) => String(state.data.parts[partOfColour(state, colour)]?.number ?? "");
  return {
    image: picture.image,
    size: { width: picture.width, height: picture.height },
    box: picture.box,
    heat,
    colours,
    maxima: heat ? (special.maxima ?? app.maxima(heat, colours)) : null,
    names: colours.map(numberOf),
    strengths: strengthsOf(state, colours),
    overlay: !state.view.photo && !state.peek,
    opacity: state.view.opacity,
    threshold: state.view.threshold,
    smooth: state.view.smooth,
    palette: state.data.palette,
    dark: app.dark,
    font: app.font,
    detail: 192,
    badge: 9,
    ...special,
  };
}

/** "part 1 spire upper middle, part 2 arches lower middle" */
function partsText(app, picture, colours) {
  const { parts } = app.state.data;
  const named = (picture.regions?.peaks ?? []).flatMap((peak, j) => {
    const part = parts[partOfColour(app.state, colours[j])];
    return peak && part ? [`part ${part.number} ${nameOf(app.state, part)} ${placeName(peak)}`] : [];
  });
  return named.join(", ");
}

function renderQuery(app) {
  const { state, refs } = app;
  const { query } = state.data;
  const { picture, box } = refs.query;
  const shownBox = state.boxing ? null : boxOf(state);
  const view = viewOf(app, query, null, { detail: 288, badge: 11, box: shownBox });
  paint(picture, view, app.schedule);
  const parts = partsText(app, picture, view.colours);
  setAttribute(picture.canvas, "aria-label", `Query, ${query.title}${parts ? `; ${parts}` : ""}`);
  box.render();
}
