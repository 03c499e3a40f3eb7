"""PureForest."""
