"""Tables of arXiv 2508.10894 on one's own copy of the data, beside the published figures (docs/paper_tables.md)."""
