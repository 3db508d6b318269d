"""Training with Lightning: recipes, caches, teachers, validation by replay."""
