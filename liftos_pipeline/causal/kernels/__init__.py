"""The numerical core: hashing, penalised fits and scores on plain arrays. No panels, no options' defaults."""
