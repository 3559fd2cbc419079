// A talk: one slide at a time, by keyboard. `start` is all that a page without a server needs.

/** Draw slides into `root`. options: {first, onSlide(number), leave}; leave is the address that
 * Escape leads to, or missing. */
function start(root, slides, options) {
  let current = Math.min(Math.max(0, options.first || 0), slides.length - 1);

  const make = (tag, attributes, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) {
      if (name === "style") Object.entries(value).forEach(([k, v]) => element.style.setProperty(k, v));
      else element.setAttribute(name, value);
    }
    element.append(...children.filter((child) => child !== null && child !== undefined));
    return element;
  };

  const chip = (facts) =>
    make(
      "span",
      {
        class: facts.hatched ? "chip hatched" : "chip",
        "aria-hidden": "true",
        style: { "--part": facts.colour, "--ink": facts.ink },
      },
      String(facts.number),
    );

  const figure = (facts) =>
    make(
      "figure",
      {},
      make("div", { class: "picture", style: { "--ratio": facts.ratio } },
        make("img", { class: "plain", src: facts.plain, alt: "" }),
        make("img", { class: "seen", src: facts.seen, alt: facts.alt })),
      facts.caption
        ? make("figcaption", {}, facts.chip ? chip(facts.chip) : null, facts.caption)
        : null,
    );

  const legend = (rows) =>
    make("ul", { class: "legend" },
      ...rows.map((row) =>
        make("li", {}, chip(row), make("span", { class: "said" }, row.text),
          make("span", { class: "value" }, row.value))));

  const table = (facts) =>
    make("table", {},
      make("caption", {}, `What each pair added. Sum: ${facts.total}`),
      make("thead", {}, make("tr", {}, make("td", {}),
        ...facts.columns.map((name) =>
          make("th", { scope: "col" }, make("span", { class: "quiet" }, "its "), name)))),
      make("tbody", {},
        ...facts.cells.map((line, i) =>
          make("tr", {}, make("th", { scope: "row" }, chip(facts.rows[i])),
            ...line.map((text, j) =>
              make("td", {
                class: (facts.signs[i][j] ? "plus" : "minus") +
                  (facts.most[0] === i && facts.most[1] === j ? " most" : ""),
                style: { "--depth": String(facts.depth[i][j]) },
              }, text))))));

  const stage = make("div", { class: "slide", "aria-live": "polite" });
  const back = make("button", { type: "button", "aria-label": "Previous slide" }, "←");
  const next = make("button", { type: "button", "aria-label": "Next slide" }, "→");
  const hide = make("button", { type: "button", class: "hold" }, "Hold to hide the parts",
    make("span", { class: "key" }, " (H)"));
  const place = make("span", { class: "place" });
  const leave = options.leave
    ? make("a", { class: "leave", href: options.leave }, "Leave",
        make("span", { class: "key" }, " (Esc)"))
    : null;
  const deck = make("div", { class: "deck", tabindex: "-1", "data-testid": "talk" }, stage,
    make("nav", { "aria-label": "Slides" }, back, place, next, hide, leave));

  const draw = () => {
    const slide = slides[current];
    const many = slide.figures.length;
    stage.replaceChildren(
      make("h1", {}, slide.title),
      make("p", { class: "text" }, slide.text),
      make("div", { class: "body", "data-many": String(many) },
        make("div", { class: "figures" }, ...slide.figures.map(figure)),
        slide.legend ? legend(slide.legend) : null,
        slide.table ? table(slide.table) : null,
        slide.credits
          ? make("ul", { class: "credits" }, ...slide.credits.map((text) => make("li", {}, text)))
          : null));
    place.textContent = `${current + 1} of ${slides.length}`;
    back.disabled = current === 0;
    next.disabled = current === slides.length - 1;
    hide.hidden = slide.figures.every((one) => one.plain === one.seen);
  };

  const go = (number) => {
    const wanted = Math.min(Math.max(0, number), slides.length - 1);
    if (wanted === current) return;
    current = wanted;
    draw();
    options.onSlide(current);
  };
  const hidden = (yes) => deck.classList.toggle("bare", yes);

  const KEYS = {
    ArrowRight: () => go(current + 1),
    PageDown: () => go(current + 1),
    ArrowLeft: () => go(current - 1),
    PageUp: () => go(current - 1),
    Home: () => go(0),
    End: () => go(slides.length - 1),
    h: () => hidden(true),
    H: () => hidden(true),
  };
  if (leave) KEYS.Escape = () => leave.click();
  const down = (event) => {
    const act = event.ctrlKey || event.metaKey || event.altKey ? null : KEYS[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  };
  const up = (event) => {
    if (event.key === "h" || event.key === "H") hidden(false);
  };
  const shown = () => hidden(false); // a key that is let go elsewhere is never let go here
  window.addEventListener("keydown", down);
  window.addEventListener("keyup", up);
  window.addEventListener("blur", shown);

  back.onclick = () => go(current - 1);
  next.onclick = () => go(current + 1);
  hide.onpointerdown = () => hidden(true);
  hide.onpointerup = hide.onpointerleave = hide.onpointercancel = shown;

  draw();
  root.replaceChildren(deck);
  return () => {
    window.removeEventListener("keydown", down);
    window.removeEventListener("keyup", up);
    window.removeEventListener("blur", shown);
  };
}
