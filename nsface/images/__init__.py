"""Images: sources of encoded pictures, decoding, pixel stores, augmentation and batches."""
