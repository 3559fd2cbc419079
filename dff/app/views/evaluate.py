"""Lab, Evaluate: how well each stored descriptor finds, and where it fails."""

import shlex

import streamlit as st

from dff.app import evaluate_data, evaluate_markup, markup
from dff.app.engine import Engine
from dff.app.errors import say
from dff.app.evaluate_chart import label_chart
from dff.app.evaluate_data import words
from dff.app.evaluate_tables import table
from dff.app.factors_data import plain
from dff.descriptors import about
from dff.evaluation.report_file import MOST_BYTES, ReportProblem, read_report
from dff.evaluation.stored import Measured, Question, by_label, measure, questions

SHOWN = 6  # queries of the gallery, and how many more each time
CHART = 860  # pixels
ALL = "All labels"
WORST, BEST = "Worst queries", "Best queries"


def page(engine: Engine) -> None:
    """Draw the page."""
    st.html(markup.STYLE + evaluate_markup.STYLE)
    found: tuple[Question, ...] = engine.scene(
        ("evaluate", "questions"), lambda: questions(engine.index)
    )
    try:
        if found:
            _collection(engine, _choose(found))
        else:
            _no_labels(engine)
    except ValueError as problem:  # an index that is damaged
        say(problem)
    _uploaded()


def _choose(found: tuple[Question, ...]) -> Question:
    """What counts as right; a control where there is a choice."""
    st.markdown("#### How well this collection finds its own pictures")
    if len(found) == 1:
        return found[0]
    by_kind = {evaluate_data.KINDS[question.kind]: question for question in found}
    chosen = st.segmented_control(
        "What counts as right",
        list(by_kind),
        default=next(iter(by_kind)),
        required=True,
        key="right",
        bind="query-params",
    )
    return by_kind.get(chosen or "", found[0])


def _collection(engine: Engine, question: Question) -> None:
    key = ("evaluate", engine.index.manifest["generation"], question.kind)
    with st.spinner("Measuring what this index stores: seconds, or a minute if it is large."):
        rows: tuple[Measured, ...] = engine.scene(key, lambda: measure(engine.index, question))
    st.write(
        plain(evaluate_data.measured_sentence(question), 600)
        + " "
        + plain(evaluate_data.certainty_sentence(rows, question), 600)
    )
    table(evaluate_data.measured_records(rows), key="measured_table")
    row = _row(rows)
    _labels(question, row)
    _gallery(engine, question, row)


def _row(rows: tuple[Measured, ...]) -> Measured:
    """The row that is looked at in detail."""
    names = {evaluate_data.row_name(row): row for row in rows}
    usual = evaluate_data.row_name(evaluate_data.default_row(rows))
    chosen = st.selectbox(
        "Look closer at",
        list(names),
        index=list(names).index(usual),
        key="measured",
        bind="query-params",
        width=360,
    )
    row = names.get(chosen, names[usual])
    used = "This is the default: what a search uses. " if row.default else ""
    st.caption(plain(used + about(row.descriptor).says))
    return row


def _labels(question: Question, row: Measured) -> None:
    means = by_label(question, row)
    records = evaluate_data.label_records(means)
    st.markdown("#### Label by label")
    told = "mAP of the queries of each label, worst first."
    if len(records) < len(means):
        told += f" The worst {len(records)} of {len(means)} labels."
    st.caption(told)
    worst, best = records[0], records[-1]
    with st.container(width=CHART):
        st.altair_chart(
            label_chart(records),
            key="labels",
            alt=f"mAP from {worst['mAP']:.1f} ({worst['label']}) to {best['mAP']:.1f} "
            f"({best['label']})",
        )


def _gallery(engine: Engine, question: Question, row: Measured) -> None:
    """Queries with their first results, each marked right or wrong."""
    index = engine.index
    st.markdown("#### Query by query")
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        order = st.segmented_control(
            "Which queries",
            (WORST, BEST),
            default=WORST,
            required=True,
            key="order",
            bind="query-params",
        )
        labels = {words(mean.label): mean.label for mean in by_label(question, row)}
        label = st.selectbox(
            "Label",
            [ALL, *sorted(labels)],
            key="only",
            bind="query-params",
            width=240,
        )
    ordered = evaluate_data.ordered_outcomes(question, row, labels.get(label), order != BEST)
    subject = (question.kind, row.descriptor, row.matching, label, order)
    if st.session_state.get("gallery_of") != subject:
        st.session_state["gallery_of"], st.session_state["gallery_count"] = subject, SHOWN
    count = st.session_state["gallery_count"]

    wrong = sum(outcome.first > 1 for outcome in ordered)
    st.caption(
        f"{wrong} of these {len(ordered)} queries have a wrong picture in first place. Explore "
        "and Compare open in this window; Explore finds with the default descriptor."
    )
    for outcome in ordered[:count]:
        facts = evaluate_data.answer_facts(index, question, outcome)
        st.html(evaluate_markup.answer(facts, compare=len(index.settings.descriptors) > 1))
    if count < len(ordered):
        st.button("Show more", icon=":material/expand_more:", on_click=_show_more)


def _show_more() -> None:
    st.session_state["gallery_count"] += SHOWN


def _no_labels(engine: Engine) -> None:
    st.markdown("#### This collection has no labels")
    st.write(
        "To measure how well pictures are found, the page must know which belong together. Put "
        "photos of one thing into a sub-folder named after it, or name their categories in a "
        "photos.csv with the columns file and category, and build the index again:"
    )
    photos = shlex.quote(engine.index.photos_root.name or "PHOTOS")
    st.code(
        f"python -m dff index build {photos} --out my_index\npython -m dff app my_index",
        language="bash",
    )


# --- a report from elsewhere -----------------------------------------------------------


def _uploaded() -> None:
    """The tables of a report.json that somebody has made."""
    st.markdown("#### Open a report")
    st.write(
        "This page measures what the index stores. To measure every descriptor, each whitening "
        "and localisation on any labelled pictures, run this and open its report.json here:"
    )
    st.code("python -m dff evaluate PHOTOS --descriptors all --out report", language="bash")
    st.caption(
        "PHOTOS is a folder with one sub-folder a label, a manifest (.jsonl), Oxford5k, Paris6k, "
        "their revisited versions or Holidays. The report.html beside it has the pictures too."
    )
    file = st.file_uploader(
        "A report.json", type=["json"], key="report", max_upload_size=MOST_BYTES // 1_000_000
    )
    if file is None:
        return
    try:
        report = read_report(file.getvalue())
    except ReportProblem as problem:
        say(f"{file.name}: {problem}")
        return
    crop = "queries are cropped to their box" if report.cropped else "queries are not cropped"
    st.markdown(f"**{plain(report.dataset, 80)}**")
    st.write(f"{report.queries:,} queries, {report.images:,} pictures; {crop}.")
    if report.rows:
        table(evaluate_data.report_records(report.rows), key="report_table")
    if report.methods:
        st.write("Locating: how well the thing in the query's box is found in other pictures.")
        table(evaluate_data.method_records(report.methods), key="located_table")
