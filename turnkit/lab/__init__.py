"""The call lab: what a user of the agent feels, measured end to end.

Scripted callers place real calls over WebRTC to an agent that runs elsewhere, through a
network that may be bad, and keep both sides as the caller had them on one clock. Every
number is read from those recordings; the agent's own log gives stage spans and nothing
else.
"""
