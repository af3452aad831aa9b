-- Store which conditions are true, and turn alarms on and off. Without conditions, only read.
--
-- ARGV  1 now   2... name, true 0|1, required duration (ms) of every alarm
-- Returns {now, time of the last evaluation (ms, 0: never), alarm, when it turned on (ms), ... of the active alarms}
local now = time_ms(ARGV[1])
local alarms = P .. 'alarms'
if #ARGV > 1 then
  local kept = {}
  for i = 2, #ARGV, 3 do
    local name, holds, hold_ms = ARGV[i], ARGV[i + 1] == '1', tonumber(ARGV[i + 2])
    if holds then
      local since, on = (call('HGET', alarms, name) or now .. ' 0'):match('(%d+) (%d+)')
      if on == '0' and now - tonumber(since) >= hold_ms then on = now end
      table.insert(kept, name)
      table.insert(kept, since .. ' ' .. on)
    end
  end
  call('DEL', alarms)
  if #kept > 0 then call('HSET', alarms, unpack(kept)) end
  call('HSET', P .. 'meta', 'observed_ms', now)
end
local answer = {now, tonumber(call('HGET', P .. 'meta', 'observed_ms') or 0)}
local noted = call('HGETALL', alarms)
for i = 1, #noted, 2 do
  local on = tonumber(noted[i + 1]:match('%d+ (%d+)'))
  if on > 0 then
    table.insert(answer, noted[i])
    table.insert(answer, on)
  end
end
return answer
