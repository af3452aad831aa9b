-- Take an outcome that is due to be told.
--
-- ARGV  1 now   2 how long nobody else is given it (ms)
-- Returns {jobId, id, outcome, body, tries so far} | {}
local now = time_ms(ARGV[1])
for _, job_id in ipairs(call('ZRANGEBYSCORE', P .. 'callbacks', '-inf', now, 'LIMIT', 0, 10)) do
  local entry = unpacked(call('GET', P .. 'callback:' .. job_id))
  if entry then
    call('ZADD', P .. 'callbacks', now + tonumber(ARGV[2]), job_id)
    return {job_id, entry.id, entry.outcome, entry.body, #entry.tries}
  end
  call('ZREM', P .. 'callbacks', job_id)
end
return {}
