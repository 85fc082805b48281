"""nsface: face-recognition networks trained with Noisy Softmax, and the protocols that score them."""

from pathlib import Path as _Path

__version__ = "0.4.0"

# In a source checkout cli/ and protocols/ lie beside this folder instead of in it (setup.cfg, package_dir).
# This lets `python -m nsface` run from the checkout, whatever is installed.
_here = _Path(__file__).resolve().parent
if not (_here / "cli").is_dir():
    __path__.append(str(_here.parent))
