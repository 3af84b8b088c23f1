"""The morning's picture of a night: what happened, in words, on a terminal and on a page."""
