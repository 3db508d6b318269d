"""Synthetic turns to train on: text, voices, prosody and channel, each laid on by rule.

What a turn goes through, one folder a step::

    text      who says what, and where they pause       -> Script
    voices    the words as speech, in many voices        -> Speech
    prosody   how each chunk ends: done, or not yet      -> shaped speech
    channel   room, noise, microphone, line, codec       -> what a detector would hear
    making    many turns in parallel, resumable          -> a corpus
"""
