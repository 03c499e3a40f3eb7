"""Masked autoencoders for multimodal, multitemporal, multispectral Earth observation data."""
