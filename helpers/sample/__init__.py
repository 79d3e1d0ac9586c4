"""Chapter 01: the drawn shop, which stands in for two real ones where there is no network."""
