// Several pictures as one query: each with + or −, and results whose bars say what each one added.

function asking(app, row, sign) {
  app.send("ask", { row, sign });
}

function chosenPicture(app, one) {
  const sign = (value, text) => {
    const button = h("button", {
      type: "button", text, "aria-pressed": String(one.sign === value), "data-testid": value > 0 ? "more" : "less",
      "aria-label": value > 0 ? `More like ${one.title}` : `Less like ${one.title}`,
    });
    button.onclick = () => one.sign !== value && asking(app, one.row, value);
    button.disabled = value < 0 && one.only;
    if (button.disabled) button.title = "At least one picture is to be like";
    return button;
  };
  const leave = h("button", { class: "icon-button", type: "button", title: "Leave it out", "aria-label": `Leave ${one.title} out`, disabled: one.only, "data-testid": "leave-out" }, icon("close"));
  leave.onclick = () => asking(app, one.row, 0);
  const node = h("li", { class: one.sign > 0 ? "asked" : "asked unlike", "data-testid": "asked", "data-id": one.id },
    h("img", { class: "asked-picture", src: one.image, alt: "", draggable: "false" }),
    h("div", { class: "asked-text" },
      h("span", { class: "title", text: one.title, title: one.title }),
      h("div", { class: "segmented", role: "group", "aria-label": one.title }, sign(1, "+ More"), sign(-1, "− Less"))),
    leave);
  node.style.setProperty("--part", one.hex);
  return node;
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

function draw(app, data) {
  app.state = { data };
  const held = app.root.getRootNode().activeElement?.getAttribute("aria-label");
  const side = (sign) => Math.max(0, ...data.results.map(({ shares }) => sum(shares.filter((v) => v * sign > 0).map(Math.abs))));
  const range = { left: side(-1), right: side(1) };
  const empty = h("p", { class: "empty", text: "No other picture in this collection yet.", hidden: data.results.length > 0 });
  app.root.replaceChildren(h("div", { class: "layout" },
    h("section", { class: "left", "aria-label": "The query" },
      h("header", { class: "row-head" }, h("h2", { text: "Your query" }), h("span", { class: "muted", text: data.count })),
      h("ul", { class: "asked-list" }, ...data.asked.map((one) => chosenPicture(app, one))),
      h("p", { class: "fine", text: data.note })),
    h("section", { class: "results", "aria-label": "Results" },
      h("header", { class: "row-head" }, h("h2", { text: "Most like them together" }), h("span", { class: "muted", text: data.found })),
      h("ol", { class: "cards" }, ...data.results.map((result) => resultCard(app, result, range))), empty)));
  // What had the focus is drawn anew: give it back.
  if (held) [...app.root.querySelectorAll("button")].find((node) => node.getAttribute("aria-label") === held)?.focus();
}

const drawn = new WeakMap();

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  const root = parentElement.querySelector(".several");
  if (!root || !data) return undefined;
  if (!drawn.has(root)) drawn.set(root, { root });
  const app = drawn.get(root);
  app.send = setTriggerValue;
  if (app.json !== data.json) draw(app, JSON.parse(data.json));
  app.json = data.json;
  return () => drawn.delete(root);
}
