-- Take an outcome that is due to be told.
--
-- ARGV  1 now   2 how long nobody else is given it, nor another one of its user's (ms)
-- Returns {jobId, id, outcome, body, tries so far} | {}
-- One at a time of each user's: a receiver that does not answer delays nobody's callbacks but its own user's. Those that have
-- to wait for that move back in the line, so that they do not hide the others.
local now, lease_ms = time_ms(ARGV[1]), tonumber(ARGV[2])
local LOOKED_AT, LOOKS, BACK_MS = 100, 10, 2000

local function take(job_id)
  local entry = unpacked(call('GET', P .. 'callback:' .. job_id))
  if not entry or entry.over then
    call('ZREM', P .. 'callbacks', job_id)
    return nil
  end
  local held = tonumber(call('HGET', P .. 'callees', entry.user) or 0)
  if held > now then
    call('ZADD', P .. 'callbacks', math.min(held, now + BACK_MS), job_id)
    return nil
  end
  call('ZADD', P .. 'callbacks', now + lease_ms, job_id)
  call('HSET', P .. 'callees', entry.user, now + lease_ms)
  call('EXPIRE', P .. 'callees', DAY)
  return {job_id, entry.id, entry.outcome, entry.body, #entry.tries}
end

for _ = 1, LOOKS do
  local due = call('ZRANGEBYSCORE', P .. 'callbacks', '-inf', now, 'LIMIT', 0, LOOKED_AT)
  for _, job_id in ipairs(due) do
    local taken = take(job_id)
    if taken then return taken end
  end
  if #due < LOOKED_AT then break end
end
return {}
