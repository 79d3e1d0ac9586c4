"""The thin package behind the seven notebooks; its folders follow the course's order."""

__version__ = "0.1.0"
