"""TreeSatAI-Time-Series."""
