"""What nsface does on a GPU: stages of checks, each within a time box, for the first machine that has one.

`python benchmarks/gpu.py`, or `python -m nsface.benchmark.gpu` where only the wheel of nsface is at hand,
runs them and says how. A stage is a line in `stages.py`, and a function for each of its checks.
"""
