-- Return the published counts in one round trip, at the same cost for any number of jobs.
--
-- ARGV  1... the pools
-- Returns {waiting, active, delayed, completed, failed, size, hits, misses}
local waiting = 0
for i = 1, #ARGV do waiting = waiting + call('ZCARD', P .. 'waiting:' .. ARGV[i]) end
local totals = call('HMGET', P .. 'totals', 'completed', 'failed')
local taxonomy = call('HMGET', P .. 'taxonomy', 'size', 'hits', 'misses', 'generation')
local cached = taxonomy[4] and call('EXISTS', P .. 'taxonomy:' .. taxonomy[4]) == 1
return {waiting, call('ZCARD', P .. 'active'), call('ZCARD', P .. 'delayed'),
  tonumber(totals[1] or 0), tonumber(totals[2] or 0),
  cached and tonumber(taxonomy[1] or 0) or 0, tonumber(taxonomy[2] or 0), tonumber(taxonomy[3] or 0)}
