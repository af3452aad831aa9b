"""Chalice blueprints, one file a resource."""
