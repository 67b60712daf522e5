"""KL terms that are a subject of their own."""
