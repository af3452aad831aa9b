-- Return the recent samples of the maintenance task.
--
-- ARGV  none
-- Returns the samples, oldest first: "<ms> <completed> <failed> <waiting> <active>"
return call('LRANGE', P .. 'trend', 0, -1)
