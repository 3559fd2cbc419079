// The lesson: the words around a step's picture, turning the page, and "Show me". Each step is an
// object {build, render, show?, hide?, answer?, question?, busy?} in LESSON_STEPS, in the order of
// the lesson. `build(app)` makes its nodes from `app.picture`; `render(app)` brings them up to date
// with `app.ui`, what the user has chosen in this step, and `app.shown`, whether the answer is shown.

const LESSON_STEPS = [mapsStep, iterationsStep, splittingStep, addingStep, matchingStep, switchingStep, failuresStep];
const TURNING = 8000; // ms after which the server's step counts again

function createLesson(root) {
  const app = { root, refs: {}, data: null, step: 1, wanted: null, ui: {}, shown: false, timers: {} };
  let frame = 0;
  app.schedule = () => {
    if (!frame) frame = requestAnimationFrame(() => {
      frame = 0;
      renderLesson(app);
    });
  };
  app.update = (patch) => {
    Object.assign(app.ui, patch);
    app.schedule();
  };
  app.after = (milliseconds, call) => {
    clearTimeout(app.timers.step);
    app.timers.step = setTimeout(call, prefersNoMotion() ? 0 : milliseconds);
  };
  const watcher = new ResizeObserver(app.schedule);
  watcher.observe(root);
  const keys = (event) => lessonKey(app, event);
  document.addEventListener("keydown", keys);
  app.destroy = () => {
    watcher.disconnect();
    document.removeEventListener("keydown", keys);
    cancelAnimationFrame(frame);
    Object.values(app.timers).forEach(clearTimeout);
  };
  buildLesson(app);
  return app;
}

/** New data. While a page is being turned, the words are already those of the new one. */
function receiveLesson(app, fresh) {
  const old = app.data;
  if (app.wanted && (fresh.step === app.wanted.step || Date.now() - app.wanted.at > TURNING)) app.wanted = null;
  app.data = fresh;
  app.step = app.wanted?.step ?? fresh.step;
  const same = old && old.version === fresh.version && old.step === fresh.step;
  if (!same) startStep(app);
  if (!same || !sameValue(old.picture, fresh.picture) || old.problem !== fresh.problem) buildFigure(app);
  app.schedule();
}

/** Forget what was chosen in the last step. */
function startStep(app) {
  clearTimeout(app.timers.step);
  app.ui = {};
  app.shown = false;
}

function buildFigure(app) {
  const ready = app.data.picture && app.data.step === app.step;
  app.picture = ready ? app.data.picture : null;
  app.refs.step = {};
  app.state = { data: { palette: app.data.palette, parts: app.picture?.parts ?? [] } };
  const node = ready ? LESSON_STEPS[app.step - 1].build(app) : waitingPicture(app);
  app.refs.figure.replaceChildren(node);
}

/** The photo and an empty panel, as large as what will be there. */
function waitingPicture(app) {
  const photo = lessonPicture(app, app.data.source, "waiting-photo");
  const { problem } = app.data;
  app.refs.step.waiting = photo.picture;
  return h("div", { class: "two" }, photo.node, problem ? h("p", { class: "empty", role: "alert", "data-testid": "problem", text: problem }) : h("div", { class: "panel waiting" },
    h("div", { class: "skeleton line" }), h("div", { class: "skeleton block" }), h("div", { class: "skeleton line short" })));
}

function buildLesson(app) {
  const { refs, root } = app;
  refs.where = h("p", { class: "where", "data-testid": "where", "aria-live": "polite" });
  refs.dots = LESSON_STEPS.map((_, i) => h("button", {
    class: "dot", type: "button", text: String(i + 1), "data-testid": "dot", onclick: () => turnTo(app, i + 1),
  }));
  refs.sentence = h("h2", { class: "sentence", "data-testid": "sentence" });
  refs.figure = h("div", { class: "figure", "data-testid": "figure" });
  refs.question = h("p", { class: "question", "data-testid": "question" });
  refs.show = h("button", { class: "primary", type: "button", "data-testid": "show", onclick: () => toggleAnswer(app) });
  refs.answer = h("p", { class: "answer", role: "status", "data-testid": "answer" });
  refs.back = h("button", { class: "quiet bordered", type: "button", "data-testid": "back", onclick: () => turnTo(app, app.step - 1) },
    icon("left"), h("span", { text: "Back" }));
  refs.next = h("button", { class: "primary", type: "button", "data-testid": "next", onclick: () => turnTo(app, app.step + 1) },
    h("span", { text: "Next" }), icon("right"));
  root.replaceChildren(
    h("header", { class: "lesson-head" }, refs.where,
      h("p", { class: "fine keys", text: "← and → turn the page, S shows the answer" }),
      h("nav", { class: "dots", "aria-label": "Steps of the lesson" }, ...refs.dots)),
    refs.sentence, refs.figure,
    h("section", { class: "ask", "aria-label": "Question" },
      h("div", { class: "asked" }, refs.question, refs.answer),
      h("div", { class: "turn" }, refs.show, h("span", { class: "turners" }, refs.back, refs.next))));
}

function turnTo(app, step) {
  if (step < 1 || step > LESSON_STEPS.length || step === app.step) return;
  app.step = step;
  app.wanted = { step, at: Date.now() };
  startStep(app);
  buildFigure(app);
  app.send("step", step);
  renderLesson(app);
}

function toggleAnswer(app) {
  if (!app.picture) return;
  const step = LESSON_STEPS[app.step - 1];
  clearTimeout(app.timers.step);
  app.shown = !app.shown;
  if (app.shown) step.show?.(app);
  else step.hide?.(app);
  app.schedule();
}

/** Arrow keys turn the page wherever they have no other meaning. */
function lessonKey(app, event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey || event.defaultPrevented) return;
  const [target] = event.composedPath();
  const own = "input, textarea, select, [contenteditable=true], [role=slider], [role=combobox], [role=application], [role=dialog] *, [role=listbox] *, .cell";
  if (target instanceof Element && target.matches(own)) return;
  if (document.querySelector("[role=dialog]")) return;
  const turn = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (turn) turnTo(app, app.step + turn);
  else if (event.key.toLowerCase() === "s" && !event.repeat) toggleAnswer(app);
  else return;
  event.preventDefault();
}

function renderLesson(app) {
  if (!app.data) return;
  const { refs, root, data } = app;
  const style = getComputedStyle(root);
  app.dark = isDark(style.getPropertyValue("--st-background-color"));
  app.font = style.fontFamily;
  root.classList.toggle("dark", app.dark);
  const words = data.steps[app.step - 1];
  const step = LESSON_STEPS[app.step - 1];
  setText(refs.where, `${app.step} of ${data.steps.length} · ${words.title}`);
  refs.dots.forEach((dot, i) => {
    setAttribute(dot, "aria-current", i + 1 === app.step ? "step" : null);
    setAttribute(dot, "aria-label", `Step ${i + 1}: ${data.steps[i].title}`);
    setAttribute(dot, "title", data.steps[i].title);
    dot.classList.toggle("past", i + 1 < app.step);
  });
  setText(refs.sentence, words.sentence);
  const ready = Boolean(app.picture);
  if (ready) step.render(app);
  else if (app.refs.step.waiting) paint(app.refs.step.waiting, lessonView(app, data.source, null, []), app.schedule);
  const answerable = ready && (step.answerable?.(app) ?? true);
  setText(refs.question, (ready && step.question?.(app)) || words.question);
  setText(refs.show, app.shown ? words.undo : words.button);
  refs.show.disabled = !answerable;
  setAttribute(refs.show, "aria-pressed", String(app.shown));
  refs.show.classList.toggle("secondary", app.shown);
  setText(refs.answer, ready && app.shown ? step.answer(app) : data.busy && !ready ? data.busy : "");
  refs.back.disabled = app.step === 1;
  refs.next.disabled = app.step === data.steps.length;
  setAttribute(refs.figure, "aria-busy", String(!ready));
}

const lessons = new WeakMap();

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  const root = parentElement.querySelector(".lesson");
  if (!root || !data) return undefined;
  if (!lessons.has(root)) lessons.set(root, createLesson(root));
  const app = lessons.get(root);
  app.send = setTriggerValue;
  receiveLesson(app, JSON.parse(data.json));
  return () => {
    app.destroy();
    lessons.delete(root);
  };
}
