"""Figures of the chapters, one module per chapter, so that a cell shows the idea alone."""
