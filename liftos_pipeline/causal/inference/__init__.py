"""Standard errors, intervals, p-values and bootstraps: the one place for inference arithmetic."""
