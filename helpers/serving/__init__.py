"""Chapter 06: recommendations for one shopper at a time, found among many items, shown on a
page."""
