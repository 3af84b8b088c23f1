"""Publication: lists refilled, versions named by their content, rules judged, and the commit log."""
