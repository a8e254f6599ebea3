"""Identification of treatments: change logs and detected breaks reconciled, how they were assigned, what is remembered."""
