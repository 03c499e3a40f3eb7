"""S2-NAIP, urban tiles."""
