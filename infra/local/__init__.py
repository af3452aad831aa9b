"""The whole system on one machine, on embedded parts, with no cloud account."""
