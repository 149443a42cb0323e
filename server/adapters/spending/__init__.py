"""What models cost and what may be spent, as the operator says it."""
