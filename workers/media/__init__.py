"""Reads media files and builds ffmpeg commands. Shared by the operations."""
