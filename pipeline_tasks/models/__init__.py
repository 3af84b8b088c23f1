"""Models: histories and a catalogue in, scores and vectors out; torch, numpy and pyarrow only."""
