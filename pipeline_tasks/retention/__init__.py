"""Retention: what a lake holds, what must stay and why, a plan, and its removal."""
