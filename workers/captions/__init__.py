"""Speech to captions: engines that hear words, and the pure builder that makes cues of them."""
