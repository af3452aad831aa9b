"""The ledger in Redis: exact job states, counts and quotas, changed by Lua scripts."""
