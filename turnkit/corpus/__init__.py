"""Corpora: the row schema, readers, splits by speaker, what a corpus looks like."""
