"""Experiments that answer a question about models: runs side by side, differences with intervals, a verdict."""
