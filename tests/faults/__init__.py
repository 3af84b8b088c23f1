"""Faults that must lose nothing: worlds drawn by seed, in which processes die, stores fail and readers poll."""
