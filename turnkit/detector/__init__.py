"""Turn detectors behind one protocol: samples and inputs in, turn events out."""
