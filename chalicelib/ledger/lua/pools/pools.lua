-- Return the state of each pool.
--
-- ARGV  1... the pools
-- Returns for each: waiting, paused 0|1, pace (ms between two claims while jobs waited; 0: unknown)
local answer = {}
for i = 1, #ARGV do
  local pool = call('HMGET', P .. 'pool:' .. ARGV[i], 'paused', 'pace_ms')
  table.insert(answer, call('ZCARD', P .. 'waiting:' .. ARGV[i]))
  table.insert(answer, pool[1] and 1 or 0)
  table.insert(answer, math.floor(tonumber(pool[2] or 0)))
end
return answer
