"""The kernel: everything that the API and the workers share."""

VERSION = "1.0.0"
