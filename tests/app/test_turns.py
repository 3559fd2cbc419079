"""Who waits for a turn notices what Streamlit tells the run of the page."""

from streamlit.testing.v1 import AppTest


def page(done, leaving):
    import streamlit as st
    from streamlit.runtime.scriptrunner_utils.script_run_context import get_script_run_ctx

    from dff.app.turns import turn

    def work(what):
        if leaving:
            get_script_run_ctx().script_requests.request_stop()  # as when the browser has gone
        with turn():
            done.append(what)

    st.button("Begin", on_click=work, args=("what a click has begun",))
    work("page")


def test_a_user_who_has_left_gets_no_turn():
    done, leaving = [], []
    at = AppTest.from_function(page, kwargs={"done": done, "leaving": leaving}).run()
    assert done == ["page"]
    leaving.append("now")
    at.run()
    assert done == ["page"]


def test_what_a_click_has_begun_is_not_left_half_done():
    done, leaving = [], []
    at = AppTest.from_function(page, kwargs={"done": done, "leaving": leaving}).run()
    done.clear()
    leaving.append("now")
    at.button[0].click().run()
    assert done == ["what a click has begun"]
