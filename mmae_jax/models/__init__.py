"""The masked autoencoder: embedding, fusion, masking, encoding, heads."""
