"""What the sandbox paints, without a model behind it."""
