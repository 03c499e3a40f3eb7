"""`bench report`: what benches found, as one page to read."""
