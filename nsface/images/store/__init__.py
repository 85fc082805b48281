"""Stores: any source packed into decoded pixels, or unpacked into a folder."""
