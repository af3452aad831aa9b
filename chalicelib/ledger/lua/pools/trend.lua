-- What the maintenance task has seen of late.
--
-- ARGV  none
-- Returns the samples, the oldest first: "<ms> <completed> <failed> <waiting> <active>"
return call('LRANGE', P .. 'trend', 0, -1)
