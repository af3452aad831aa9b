"""What one job is given: its folder and limits, the programs, the taxonomy terms, its warnings."""
