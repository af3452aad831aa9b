"""A stand-in for Directus: the part of its API that mediaq uses, as the contract tests hold it to the real one."""
