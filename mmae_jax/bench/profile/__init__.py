"""Where the time of a compiled program goes, from a trace of JAX's profiler: by part of the model, by kind of work."""
