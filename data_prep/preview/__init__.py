"""Some prepared tiles as pictures, with their labels: most mistakes are seen there first."""
