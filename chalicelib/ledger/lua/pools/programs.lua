-- Store the missing features of a worker's programs, and return those of all workers.
--
-- ARGV  1 now   2 name of the worker ('': only read)   3 opaque JSON
-- Returns the last report of each worker within 15 minutes
local KEPT_MS = 900000
local now, key = time_ms(ARGV[1]), P .. 'programs'
if ARGV[2] ~= '' then call('HSET', key, ARGV[2], now .. ' ' .. ARGV[3]) end
local answer, flat = {}, call('HGETALL', key)
for i = 1, #flat, 2 do
  local at, text = flat[i + 1]:match('^(%d+) (.*)$')
  if now - tonumber(at) > KEPT_MS then
    call('HDEL', key, flat[i])
  else
    table.insert(answer, text)
  end
end
return answer
