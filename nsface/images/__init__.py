"""Images: sources, alignment, stores, inspection, batches, and the decoding that they share."""
