"""Batches for training: which images, augmented how, and brought to the device."""
