"""How good frozen vectors and finished models are: protocols, scores that can be trusted, what each sensor is worth."""
