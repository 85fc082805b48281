"""How fast a training is here, where its time goes, and what this machine could give.

The code that is timed is that of `nsface train` itself: a `Trainer` made from a recipe, with a loader whose
pixels are generated.
"""
