"""What each model takes and costs: the catalogue, joined with what servers list."""
