"""How servers differ: one file for each kind."""
