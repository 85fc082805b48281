"""`python -m nsface`."""

from nsface.cli import main

main()
