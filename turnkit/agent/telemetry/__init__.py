"""What is told about calls: spans, metrics and structured logs."""
