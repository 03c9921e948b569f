"""Makes ``python -m touchdown`` the same as ``touchdown``."""

from touchdown.cli import main

main()
