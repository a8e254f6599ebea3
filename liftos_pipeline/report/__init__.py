"""Tables and text for people. Places figures, draws none."""
