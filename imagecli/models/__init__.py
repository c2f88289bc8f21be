"""What each model takes and costs: the catalogue and the prices, joined with servers' lists of models."""
