"""The lake: object stores, whole-or-nothing tables, stage records, and where everything lies."""
