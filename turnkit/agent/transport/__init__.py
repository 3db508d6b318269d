"""How audio and messages reach the agent: WebRTC and WebSockets."""
