-- Pause or resume a pool. Running jobs continue; admitted jobs wait.
--
-- ARGV  1 pool   2 paused 1|0
-- Returns {changed} | {same}
local pool = P .. 'pool:' .. ARGV[1]
if ARGV[2] == '1' then return {call('HSETNX', pool, 'paused', 1) == 1 and 'changed' or 'same'} end
if call('HDEL', pool, 'paused') == 0 then return {'same'} end
call('HSET', pool, 'claimed_ms', 0, 'wake_ms', 5000, 'sweep_ms', 0)  -- the next sweep sends tickets, since the old ones may be hidden
return {'changed'}
