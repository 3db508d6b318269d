"""Prosody on purpose: how each chunk of a synthetic turn ends, done or not yet.

`settings` says how strong and how frequent the cues are, `cues` draws those of one
boundary, `chunk` lays them on the speech, `breath` makes what is heard between chunks.
"""
