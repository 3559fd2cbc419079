"""What `python -m dff app` hands to `streamlit run`."""

from dff.app.main import main

main()
