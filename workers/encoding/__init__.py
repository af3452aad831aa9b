"""Arguments for ffmpeg: what is read of the input, and how picture and sound are encoded."""
