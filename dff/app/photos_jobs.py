"""Work under way, as every session sees it: progress, stop, go on."""

from collections.abc import Sequence

import streamlit as st

from dff.app import photos_store
from dff.app.collections import choose, chosen, title_of
from dff.app.factors_data import plain
from dff.app.jobs import CANCELLED, DONE, FAILED, QUEUED, Job, jobs
from dff.app.limits import limits
from dff.app.photos_words import duration
from dff.app.photos_work import start
from dff.images import safe_name

TO_PICTURES = "photos_to_pictures"  # whether the next run shows the pictures
SHOWN = 20  # files that were left out


def progress_of_jobs() -> None:
    """All work under way and just ended, and collections that were begun and not finished."""
    if not limits().changes:
        return
    begun = [name for name in photos_store.unfinished() if jobs().of(name) is None]
    active = any(job.active for job in jobs().all())
    # Looking again each second redraws this and nothing else of the page.
    st.fragment(_progress, run_every=1 if active else None)(active, begun)
    for name in begun:
        _unfinished(name)


def _progress(was_active: bool, begun: Sequence[str]) -> None:
    found = jobs().all()
    if was_active and not any(job.active for job in found):
        st.rerun()  # the rest of the page can show what came of it
    for job in found:
        if job.active:
            _active(job)
        elif job.state != CANCELLED or job.collection not in begun:  # which has its own line
            _ended(job)


def _active(job: Job) -> None:
    with st.container(border=True, horizontal=True, vertical_alignment="center", gap="small"):
        share = job.done / job.total if job.total else 0.0
        st.progress(min(1.0, share), text=plain(_words(job), 200))
        st.button(
            "Stop",
            icon=":material/stop_circle:",
            key=f"stop_{job.id}",
            on_click=jobs().cancel,
            args=(job.id,),
            disabled=job.stop.is_set(),
            help="What is done is kept: it can go on later.",
        )


def _words(job: Job) -> str:
    title = safe_name(job.title)
    if job.stop.is_set():
        return f"{title}: stopping after this picture"
    if job.state == QUEUED:
        return f"{title}: waiting for the work before it"
    if not job.total:
        return f"{title}: starting"
    if not job.rate:
        return f"{title}: {100 * job.done / job.total:.0f} %"
    left = "" if job.left is None else f", {duration(job.left)} left"
    return f"{title}: {job.done} of {job.total} pictures, {job.rate:.1f} a second{left}"


def _ended(job: Job) -> None:
    title = plain(safe_name(job.title))
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if job.state == DONE:
            st.success(f"{title}: {plain(job.message)}", icon=":material/check_circle:", width=720)
            other = chosen().name != job.collection
            if other and st.button("Open it", type="primary", key=f"open_{job.id}"):
                _open(job)
        elif job.state == FAILED:
            st.error(f"{title}: {plain(job.message)}", icon=":material/error:", width=720)
        elif job.state == CANCELLED:
            st.info(f"{title}: stopped. What was done is kept.", icon=":material/info:", width=720)
            if st.button("Go on", icon=":material/play_arrow:", key=f"again_{job.id}"):
                jobs().again(job.id)
                st.rerun()
        if job.details:
            with st.popover(f"{len(job.details)} left out", key=f"left_out_{job.id}"):
                for name, reason in job.details[:SHOWN]:
                    st.caption(plain(f"{safe_name(name)}: {reason}"))
                if len(job.details) > SHOWN:
                    st.caption(f"And {len(job.details) - SHOWN} more: About lists them all.")
        st.button(
            "Close",
            icon=":material/close:",
            type="tertiary",
            key=f"close_{job.id}",
            on_click=jobs().dismiss,
            args=(job.id,),
        )


def _open(job: Job) -> None:
    choose(job.collection)
    jobs().dismiss(job.id)
    st.session_state[TO_PICTURES] = True
    st.rerun()  # the whole page, not only this part of it


def _unfinished(name: str) -> None:
    with st.container(border=True, horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f"“{plain(safe_name(title_of(name)))}” is not finished. What is done is kept.")
        if st.button("Go on", icon=":material/play_arrow:", key=f"go_on_{name}"):
            start(name)
            st.rerun()
        if st.button("Delete", icon=":material/delete:", type="tertiary", key=f"drop_{name}"):
            photos_store.delete(name)
            jobs().dismiss_of(name)
            st.rerun()
