"""The trained models: torch modules, exported graphs, runs and bundles."""
