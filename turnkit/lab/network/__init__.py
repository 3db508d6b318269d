"""A network between caller and agent: real packets, delayed, lost and reordered."""
