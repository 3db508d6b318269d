"""Stand-ins for services that live elsewhere: real connections, scripted times."""
