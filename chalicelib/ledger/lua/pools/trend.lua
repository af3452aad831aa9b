-- Return the recent samples of the maintenance task.
--
-- ARGV  1 minutes; up to 15: every sample of the failure window, more: one a minute
-- Returns the samples, oldest first: "<ms> <completed> <failed> <waiting> <active>"
local minutes = tonumber(ARGV[1])
if minutes <= 15 then return call('LRANGE', P .. 'trend', 0, -1) end
return call('LRANGE', P .. 'trend:day', -minutes, -1)
