-- Take a webhook event that is due.
--
-- ARGV  1 now   2 how long no other worker gets it, nor another one of its user (ms)
-- Returns {jobId, id, outcome, body, attempts so far} | {}
-- One at a time per user: a receiver that does not answer delays only its own user. Events that have to wait for that move back in
-- the queue, so that they do not hide the others.
local now, lease_ms = time_ms(ARGV[1]), tonumber(ARGV[2])
local BATCH, READS, BACK_MS = 100, 10, 2000

local function take(job_id)
  local entry = unpacked(call('GET', P .. 'webhook:' .. job_id))
  if not entry or entry.finished then
    call('ZREM', P .. 'webhooks', job_id)
    return nil
  end
  local held = tonumber(call('HGET', P .. 'webhook_backoff', entry.user) or 0)
  if held > now then
    call('ZADD', P .. 'webhooks', math.min(held, now + BACK_MS), job_id)
    return nil
  end
  call('ZADD', P .. 'webhooks', now + lease_ms, job_id)
  call('HSET', P .. 'webhook_backoff', entry.user, now + lease_ms)
  call('EXPIRE', P .. 'webhook_backoff', DAY)
  return {job_id, entry.id, entry.outcome, entry.body, #entry.attempts}
end

for _ = 1, READS do
  local due = call('ZRANGEBYSCORE', P .. 'webhooks', '-inf', now, 'LIMIT', 0, BATCH)
  for _, job_id in ipairs(due) do
    local taken = take(job_id)
    if taken then return taken end
  end
  if #due < BATCH then break end
end
return {}
