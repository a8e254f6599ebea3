"""Speed as ratios and rates, printed; never timed tests."""
