"""Captions: cues, the files that hold them, and the limits of broadcasters. Pure; times are in whole ms."""
