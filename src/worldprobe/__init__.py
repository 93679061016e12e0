"""What does a frozen video encoder know, where, and compared with what?"""

__version__ = "0.1.0"
