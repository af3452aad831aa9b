"""Proxies between two processes for fault injection. mediaq does not know that they exist."""
