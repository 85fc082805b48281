"""The recipes that nsface ships, installed with it; `nsface train` takes the name of any."""
