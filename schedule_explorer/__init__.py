"""A deterministic schedule explorer for ordinary Python threads and real files."""
