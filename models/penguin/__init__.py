"""The smallest model: which species a penguin is of."""
