"""``python -m worldprobe``."""

from worldprobe.cli import main

main()
