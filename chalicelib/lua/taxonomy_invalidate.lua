-- Begin a new generation: every copy, in Redis and in every process, is void at once.
--
-- ARGV  1 a random id
local old = redis.call('HGET', key('taxonomy'), 'generation')
if old then redis.call('DEL', key('taxonomy', old)) end
redis.call('HSET', key('taxonomy'), 'generation', ARGV[1], 'size', 0)
return {'ok'}
