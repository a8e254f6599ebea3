"""LiftOS pipeline: what did our marketing really cause?"""

__version__ = "0.1.0"
