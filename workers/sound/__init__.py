"""Sound: channel layouts and loudness."""
