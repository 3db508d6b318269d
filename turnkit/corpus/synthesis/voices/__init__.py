"""Voices: text as speech, at one level, the same bytes whenever the same text is asked for."""
