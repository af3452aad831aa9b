"""The whole system on one machine, with embedded services and without a cloud account."""
