"""What a set of images is like, and what is wrong with it."""
