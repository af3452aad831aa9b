"""How long a job will take and how large its outputs will be, learned from finished jobs."""
