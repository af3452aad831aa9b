"""The real Directus for tests and `make up DIRECTUS=real`: installation, schema, seed data, accounts."""
