"""The Directus client and the rows that it returns."""
