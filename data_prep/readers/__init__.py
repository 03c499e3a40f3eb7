"""What the readers of several datasets need."""

import importlib.util

for _library in ("rasterio", "h5py"):
    # One message for all of preparation: a machine that only trains has neither.
    if importlib.util.find_spec(_library) is None:
        raise SystemExit(f"error: data preparation needs {_library}: pip install 'mmae_jax[prep]'")
