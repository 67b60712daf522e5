"""How far a search can be trusted: one file a subject, from plain arrays; `section` joins them."""
