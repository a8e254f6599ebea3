"""The numerical core: hashing, fits, scores, two-way effects on plain arrays. No panels, no options' defaults."""
