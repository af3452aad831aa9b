-- Return webhook events that are due but not taken by any worker.
--
-- ARGV  1 now   2 the limit
-- Returns {body, id, body, id, ...}
local found = {}
local until_ms = time_ms(ARGV[1]) - UNDELIVERED_MS
for _, job_id in ipairs(call('ZRANGEBYSCORE', P .. 'webhooks', '-inf', until_ms, 'LIMIT', 0, ARGV[2])) do
  local entry = unpacked(call('GET', P .. 'webhook:' .. job_id))
  if entry and not entry.finished then
    table.insert(found, entry.body)
    table.insert(found, entry.id)
  else
    call('ZREM', P .. 'webhooks', job_id)
  end
end
return found
