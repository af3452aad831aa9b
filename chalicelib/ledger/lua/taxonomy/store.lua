-- Store the terms, unless their generation was invalidated meanwhile.
--
-- ARGV  1 generation   2 terms   3 number of terms   4 time to live (s)
-- Returns {ok} | {stale}
if call('HGET', P .. 'taxonomy', 'generation') ~= ARGV[1] then return {'stale'} end
call('SET', P .. 'taxonomy:' .. ARGV[1], ARGV[2], 'EX', ARGV[4])
call('HSET', P .. 'taxonomy', 'size', ARGV[3])
return {'ok'}
