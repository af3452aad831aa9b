"""The kernel: everything that the API and the workers share."""
