"""Faults of a corpus: shortcuts, wrong labels, broken audio, duplicates; and mending them."""
