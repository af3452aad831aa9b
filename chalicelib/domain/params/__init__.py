"""Parameters of the operations, one file each. Checked when a job is enqueued, so that a wrong parameter is a 400.

The worker checks them again and builds arguments from the values, which are all in an allow-list or within bounds.
"""
