"""What shows whether an estimate can be believed: balance, pre-trends, placebo, sensitivity, decompositions."""
