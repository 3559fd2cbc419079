// The streams of a set's parts, with a sentence on the split after the present k.

function partTold(column, j) {
  const { number: own, name, energy } = column.parts[j];
  return `With k = ${column.k}, part ${own}${name ? ` (${name})` : ""} holds ${percent(energy)} of the energy.`;
}

function buildPanel(root, data, send) {
  let lit = null;
  const fact = h("p", { class: "muted", "data-testid": "flow-fact" });
  const steps = data.columns.map(({ k }) => {
    const button = h("button", { type: "button", text: String(k), "aria-label": k === 1 ? "1 part" : `${k} parts`, "data-testid": "flow-k" });
    setAttribute(button, "aria-pressed", String(k === data.k));
    button.onclick = () => k !== data.k && send("k", k);
    return button;
  });
  const look = (next) => {
    lit = next;
    render();
  };
  const drawing = buildFlow(data.palette, data, {
    onPart: (k, j) => look({ k, parts: [j] }),
    onK: (k) => k !== data.k && send("k", k),
    onLeave: () => look(null),
  });
  const split = data.splits[data.k - 1];
  const told = split ? split.answer : "";
  setAttribute(drawing.node, "aria-label", `Parts for k from 1 to ${data.columns.length}, and how they split. ${told}`);
  function render() {
    const now = split && split.part !== null && !lit ? { from: data.k, ...split } : null;
    renderFlow(drawing, data.k, lit, now);
    setText(fact, lit ? partTold(data.columns[lit.k - 1], lit.parts[0]) : "The taller a bar, the more of the pictures goes with that part. A stream shows where it goes in the next column.");
  }
  render();
  root.replaceChildren(
    h("div", { class: "row-head" }, h("span", { class: "muted", text: "k" }), h("div", { class: "segmented", role: "group", "aria-label": "Number of parts" }, ...steps)),
    h("p", { class: "told", text: told, "data-testid": "flow-told" }), drawing.node, fact);
}

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  const root = parentElement.querySelector(".flow-panel");
  if (!root || !data || root.json === data.json) return;
  root.json = data.json;
  buildPanel(root, JSON.parse(data.json), setTriggerValue);
}
