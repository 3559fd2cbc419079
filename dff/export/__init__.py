"""Taking what is shown with you: records, pages that need nothing else, and code that runs."""
