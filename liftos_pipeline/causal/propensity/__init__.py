"""Probability of treatment: the model, the overlap it shows, and the weights that follow from it."""
