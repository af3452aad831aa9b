-- Start a new generation: every copy, in Redis and in every process, becomes invalid.
--
-- ARGV  1 a random id
local old = call('HGET', P .. 'taxonomy', 'generation')
if old then call('DEL', P .. 'taxonomy:' .. old) end
call('HSET', P .. 'taxonomy', 'generation', ARGV[1], 'size', 0)
return {'ok'}
