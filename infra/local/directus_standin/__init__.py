"""A stand-in for Directus: the part of its API that mediaq uses. The contract tests compare it with the real one."""
