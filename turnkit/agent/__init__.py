"""The reference agent: streaming speech to text, language model and text to speech."""
