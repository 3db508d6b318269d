"""Questions that runs of calls answer, each with one figure."""
