"""The only way out: downloads and deliveries under address rules, and the credentials for them."""
