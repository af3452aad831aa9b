"""What does the work. Imports `chalicelib`, never the other way round."""
