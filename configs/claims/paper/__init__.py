"""Tables of arXiv 2508.10894, one a file, for those who hold the data: `get_table() -> dict` (docs/paper_tables.md)."""
