"""The lambda at which a model for every lambda has a rate or a distortion."""
