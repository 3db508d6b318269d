"""Recordings and public sets, turned into rows: one module a source.

=============== ==================================================================
`stereo`        two-channel recordings, a speaker on each channel
`folder`        sound files with an annotation beside each
`smart_turn`    clips labelled complete or incomplete
`eot_bench`     rows that have the schema already
`ami`           meetings, a microphone a speaker, words by hand
=============== ==================================================================

What they share: `floor` says who holds the floor and where turns end, `ledger` keeps what
was left out and why, `writing` writes the rows and a card beside them.
"""
