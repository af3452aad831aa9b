-- The published counts, in one round trip, whatever the number of jobs.
--
-- ARGV  1... the pools
-- Returns {waiting, active, delayed, completed, failed, size, hits, misses}
local waiting = 0
for i = 1, #ARGV do waiting = waiting + redis.call('ZCARD', key('waiting', ARGV[i])) end
local totals = redis.call('HMGET', key('totals'), 'completed', 'failed')
local taxonomy = redis.call('HMGET', key('taxonomy'), 'size', 'hits', 'misses', 'generation')
local cached = taxonomy[4] and redis.call('EXISTS', key('taxonomy', taxonomy[4])) == 1
return {waiting, redis.call('ZCARD', key('active')), redis.call('ZCARD', key('delayed')),
  tonumber(totals[1]) or 0, tonumber(totals[2]) or 0,
  cached and tonumber(taxonomy[1]) or 0, tonumber(taxonomy[2]) or 0, tonumber(taxonomy[3]) or 0}
