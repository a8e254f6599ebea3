"""The HTTP service: reads what a home has published, and runs analyses on what it is sent. Writes nothing."""
