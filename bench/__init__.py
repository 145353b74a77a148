"""What fastnn2 is measured against, and how: ``python -m bench`` or ``pytest bench/ --benchmark-only``."""
