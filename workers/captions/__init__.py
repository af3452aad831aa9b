"""Speech to captions: the recognition engines, and the builder that turns words into cues."""
