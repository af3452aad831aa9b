-- Return the last heartbeat of each worker, and forget those that are older than 15 minutes.
--
-- ARGV  1 now
-- Returns {now, heartbeat, its time (ms), ...}
local KEPT_MS = 900000
local now, workers = time_ms(ARGV[1]), P .. 'workers'
local answer, flat = {tostring(now)}, call('HGETALL', workers)
for i = 1, #flat, 2 do
  local at, text = flat[i + 1]:match('^(%d+) (.*)$')
  if now - tonumber(at) > KEPT_MS then
    call('HDEL', workers, flat[i])
  else
    table.insert(answer, text)
    table.insert(answer, at)
  end
end
return answer
