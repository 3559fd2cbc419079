"""The dashboard: `streamlit run streamlit_app.py`."""

from dff.app.main import main

main()
