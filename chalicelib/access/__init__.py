"""Who is calling, and which records they may act on."""
