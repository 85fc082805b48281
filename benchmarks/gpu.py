"""What nsface does on a GPU: run this first on any machine that has one, and commit what it writes.

    python benchmarks/gpu.py --minutes 8 --out docs/results/gpu/NAME

`--help` says the rest; everything is in `nsface.benchmark.gpu`, which comes with nsface.
"""

from __future__ import annotations

import sys

from nsface.benchmark.gpu.__main__ import main

__all__ = ["main"]

if __name__ == "__main__":
    sys.exit(main())
