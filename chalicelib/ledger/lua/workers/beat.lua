-- Store the heartbeat of a worker, or remove a worker that stops.
--
-- ARGV  1 now   2 id of the worker   3 heartbeat, as JSON ('': it stops)
local workers = P .. 'workers'
if ARGV[3] == '' then
  call('HDEL', workers, ARGV[2])
else
  call('HSET', workers, ARGV[2], time_ms(ARGV[1]) .. ' ' .. ARGV[3])
end
return {'ok'}
