"""The lesson: what each of its seven steps shows, as plain JSON values. No Streamlit in here."""
