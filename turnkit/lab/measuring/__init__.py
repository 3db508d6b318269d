"""From recorded calls to numbers: latencies, interruptions, barge-in, spans."""
