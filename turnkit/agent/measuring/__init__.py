"""What the agent's stages and calls take, measured."""
