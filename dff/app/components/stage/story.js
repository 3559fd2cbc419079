// The invitation above the query: one line, one button, and then what happened.

function buildStory(app) {
  const line = h("p", { class: "story-text", "data-testid": "story-text" });
  const { story } = app.state.data;
  // Both texts lie in one cell, so that the button keeps its size.
  const [first, second] = [story?.button, story?.undo].map((text) => h("span", { text }));
  const button = h("button", { class: "primary", type: "button", "data-testid": "story-button" }, first, second);
  button.onclick = () => toggleStory(app);
  const outcome = h("p", { class: "story-outcome", role: "status", "data-testid": "story-outcome" });
  const node = h("section", { class: "story", "data-testid": "story", hidden: !story },
    h("div", { class: "story-lines" }, line, outcome), button);
  app.refs.story = { node, line, first, second, button, outcome };
  return node;
}

function storyDone(state) {
  return state.data.story.parts.every((part) => state.weights[part] === 0);
}

function withStoryParts(state, weight) {
  return state.weights.map((old, i) => (state.data.story.parts.includes(i) ? weight : old));
}

function toggleStory(app) {
  setWeights(app, withStoryParts(app.state, storyDone(app.state) ? 1 : 0));
}

/** "The other windmill is at rank 3.", then "… moved from rank 3 to 1." */
function outcomeText(app) {
  const { state, ranking } = app;
  const { watch, watch_title: title } = state.data.story;
  if (!app.table || !watch.length) return "";
  const before = rankLocally(app.table, withStoryParts(state, 1));
  const ranks = (from) => watch.map((row) => from.rank(row)).filter(Boolean).sort((a, b) => a - b);
  const [old, now] = [ranks(before), ranks(ranking)];
  if (!now.length) return "";
  const plural = now.length > 1 ? "ranks" : "rank";
  if (!storyDone(state)) return `${title} ${now.length > 1 ? "are" : "is"} at ${plural} ${listed(now)}.`;
  if (sameNumbers(old, now)) return `${title} stayed at ${plural} ${listed(now)}.`;
  return `${title} moved from ${plural} ${listed(old)} to ${listed(now)}.`;
}

function renderStory(app) {
  const { story } = app.state.data;
  if (!story) return;
  const { node, line, first, second, button, outcome } = app.refs.story;
  const done = storyDone(app.state);
  setText(line, story.text);
  node.classList.toggle("done", done);
  first.classList.toggle("other", done);
  second.classList.toggle("other", !done);
  button.classList.toggle("secondary", done);
  setText(outcome, outcomeText(app));
  outcome.hidden = !outcome.textContent;
}
