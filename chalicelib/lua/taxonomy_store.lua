-- Keep the terms, unless their generation was invalidated while they were being read.
--
-- ARGV  1 generation   2 terms   3 number of terms   4 time to live (s)
-- Returns {ok} | {stale}
if redis.call('HGET', key('taxonomy'), 'generation') ~= ARGV[1] then return {'stale'} end
redis.call('SET', key('taxonomy', ARGV[1]), ARGV[2], 'EX', ARGV[4])
redis.call('HSET', key('taxonomy'), 'size', ARGV[3])
return {'ok'}
