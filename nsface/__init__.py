"""nsface: face-recognition networks trained with Noisy Softmax, and the protocols that score them."""

__version__ = "0.4.0"
