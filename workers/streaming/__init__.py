"""Streaming packages: one set of fragmented MP4 files for HLS and DASH."""
