// Several pictures as one query: each with + or −, and results whose bars say what each one added.

function asking(app, row, sign) {
  app.send("ask", { row, sign });
}

/** A picture of the query. It stays the same element while it is asked for, and keeps the focus. */
function chosenPicture(app, row) {
  const sign = (value, text) => h("button", { type: "button", text, "data-testid": value > 0 ? "more" : "less", onclick: (event) => event.currentTarget.getAttribute("aria-pressed") === "false" && asking(app, row, value) });
  const [more, less] = [sign(1, "+ More"), sign(-1, "− Less")];
  const image = h("img", { class: "asked-picture", alt: "", draggable: "false" });
  const title = h("span", { class: "title" });
  const group = h("div", { class: "segmented", role: "group" }, more, less);
  const leave = h("button", { class: "icon-button", type: "button", title: "Leave it out", "data-testid": "leave-out", onclick: () => asking(app, row, 0) }, icon("close"));
  const node = h("li", { "data-testid": "asked" }, image, h("div", { class: "asked-text" }, title, group), leave);
  const update = (one) => {
    node.className = one.sign > 0 ? "asked" : "asked unlike";
    node.dataset.id = one.id;
    node.style.setProperty("--part", one.hex);
    setAttribute(image, "src", one.image);
    setText(title, one.title);
    setAttribute(title, "title", one.title);
    setAttribute(group, "aria-label", one.title);
    for (const [button, value, words] of [[more, 1, "More"], [less, -1, "Less"]]) {
      setAttribute(button, "aria-pressed", String(one.sign === value));
      setAttribute(button, "aria-label", `${words} like ${one.title}`);
    }
    less.disabled = leave.disabled = one.only;
    setAttribute(less, "title", one.only ? "At least one picture is to be like" : null);
    setAttribute(leave, "aria-label", `Leave ${one.title} out`);
  };
  return { node, update };
}

function drawAsked(app, asked) {
  const old = app.asked ?? new Map();
  const keyOf = (one) => `${one.row} ${one.id}`;
  app.asked = new Map(asked.map((one) => [keyOf(one), old.get(keyOf(one)) ?? chosenPicture(app, one.row)]));
  asked.forEach((one, i) => {
    const { node, update } = app.asked.get(keyOf(one));
    update(one);
    if (app.refs.asked.children[i] !== node) app.refs.asked.insertBefore(node, app.refs.asked.children[i] ?? null);
  });
  while (app.refs.asked.children.length > asked.length) app.refs.asked.lastChild.remove();
}

function resultCard(app, result, range) {
  const { asked } = app.state.data;
  const score = number(result.score);
  const frame = h("button", { class: "frame", type: "button", "data-testid": "open-result", "aria-label": `Rank ${result.rank}, ${result.title}, score ${score}; ${told(asked, result.shares)}. Open it` },
    h("img", { class: "result-picture", src: result.image, alt: "", draggable: "false", decoding: "async" }));
  frame.style.aspectRatio = app.state.data.frame;
  frame.onclick = () => app.send("open", result.row);
  const bar = buildBar(app, asked.map((one) => one.colour));
  fillBar(bar, result.shares, range);
  bar.segments.forEach((segment, i) => {
    segment.title = `${asked[i].title} ${signed(result.shares[i])}`;
  });
  const star = keepButton(app, result.row, result.title);
  setAttribute(star, "aria-pressed", String(result.kept));
  const more = h("button", { class: "quiet", type: "button", text: "+ More", "aria-label": `More like ${result.title} too`, "data-testid": "result-more", disabled: app.state.data.full });
  more.onclick = () => asking(app, result.row, 1);
  const less = h("button", { class: "quiet", type: "button", text: "− Less", "aria-label": `Less like ${result.title}`, "data-testid": "result-less", disabled: app.state.data.full });
  less.onclick = () => asking(app, result.row, -1);
  return h("li", { class: "card", "data-testid": "card", "data-id": result.id }, frame, star,
    h("div", { class: "card-body" },
      h("div", { class: "card-head" }, h("span", { class: "rank", text: String(result.rank) }), h("span", { class: "title", text: result.title, title: result.title })),
      h("div", { class: "card-score" }, h("span", { class: "score", text: score, "data-testid": "score" }), bar.node),
      h("div", { class: "card-foot" }, h("span", { class: "both" }, more, less))));
}

/** "Amagase Dam +0.312, Clownfish −0.041" */
function told(asked, shares) {
  return asked.map((one, i) => `${one.title} ${signed(shares[i])}`).join(", ");
}

function build(app) {
  const refs = {
    asked: h("ul", { class: "asked-list" }), count: h("span", { class: "muted" }), note: h("p", { class: "fine" }),
    found: h("span", { class: "muted" }), cards: h("ol", { class: "cards" }), empty: h("p", { class: "empty", text: "No other picture in this collection yet." }),
  };
  app.refs = refs;
  app.root.replaceChildren(h("div", { class: "layout" },
    h("section", { class: "left", "aria-label": "The query" },
      h("header", { class: "row-head" }, h("h2", { text: "Your query" }), refs.count), refs.asked, refs.note),
    h("section", { class: "results", "aria-label": "Results" },
      h("header", { class: "row-head" }, h("h2", { text: "Most like them together" }), refs.found), refs.cards, refs.empty)));
}

function draw(app, data) {
  app.state = { data };
  const held = app.root.getRootNode().activeElement?.getAttribute("aria-label");
  const side = (sign) => Math.max(0, ...data.results.map(({ shares }) => sum(shares.filter((v) => v * sign > 0).map(Math.abs))));
  const range = { left: side(-1), right: side(1) };
  drawAsked(app, data.asked);
  setText(app.refs.count, data.count);
  setText(app.refs.note, data.note);
  setText(app.refs.found, data.found);
  app.refs.cards.replaceChildren(...data.results.map((result) => resultCard(app, result, range)));
  app.refs.empty.hidden = data.results.length > 0;
  // What had the focus and was drawn anew or moved: give it back.
  const now = app.root.getRootNode().activeElement;
  if (held && !now) [...app.root.querySelectorAll("button")].find((node) => node.getAttribute("aria-label") === held)?.focus();
}

const drawn = new WeakMap();

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  const root = parentElement.querySelector(".several");
  if (!root || !data) return undefined;
  if (!drawn.has(root)) {
    drawn.set(root, { root });
    build(drawn.get(root));
  }
  const app = drawn.get(root);
  app.send = setTriggerValue;
  if (app.json !== data.json) draw(app, JSON.parse(data.json));
  app.json = data.json;
  return () => drawn.delete(root);
}
