"""A run of calls as one HTML page that needs nothing but itself."""
