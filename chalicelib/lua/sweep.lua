-- Requeue what nobody holds any more, promote what is due, find pools that lack tickets.
--
-- ARGV  1 now   2 the most jobs to look at   3 second look after (ms)   4 a pool without a claim is starved after (ms)
--       5... the pools
-- Returns {body, id, body, id, ...} of the jobs that need a fresh ticket. Safe to run as often as one likes.
--
-- A lease that ran out makes its job suspect; only a second look, later, requeues it. After a pause of Redis or of
-- everything the holders renew between the two, and nothing is lost. A second stall is not judged here: the worker that
-- claims the job next sees it and fails the job.
local now = math.floor(time_us(ARGV[1]) / 1000)
local most, second_look, starved_after = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local NUDGE_MAX_MS = 900000
local LOOK_AGAIN_MS = 5000
local tickets = {}
born(now)
due(now, most)

local function ticket(job)
  note(job, 'sent_ms', now)
  table.insert(tickets, redis.call('GET', key('body', job.job_id)))
  table.insert(tickets, job.id)
end

for _, m in ipairs(redis.call('ZRANGEBYSCORE', key('active'), '-inf', now, 'LIMIT', 0, most)) do
  local job = load(job_of(m))
  if not job or job.member ~= m then
    redis.call('ZREM', key('active'), m)
  elseif not job.suspect then
    note(job, 'suspect', 1)
    redis.call('ZADD', key('active'), now + second_look, m)
  else
    leave(job)
    local stalled = job.token ~= '' and 1 or 0  -- put back after a wipe, and nobody spoke up: no worker is to blame
    note(job, 'former', job.token, 'stalls', tonumber(job.stalls or 0) + stalled)
    forget(job, 'token', 'suspect')
    wait(job)
    ticket(job)
  end
end

-- Tickets that never went out: waiting jobs, and nobody has claimed for a while. The next nudge waits twice as long. While
-- others are claimed, a job is sent a ticket after a quarter of an hour all the same: it may be the only one without.
for i = 5, #ARGV do
  local pool = key('pool', ARGV[i])
  local seen = redis.call('HMGET', pool, 'claimed_ms', 'nudge_ms', 'look_ms')
  if now >= (tonumber(seen[3]) or 0) then
    local starved = now - (tonumber(seen[1]) or 0) >= starved_after
    local nudge = starved and (tonumber(seen[2]) or starved_after) or NUDGE_MAX_MS
    local sent = #tickets
    for _, m in ipairs(redis.call('ZRANGE', key('waiting', ARGV[i]), 0, most - 1)) do
      local job = load(job_of(m))
      if job and now - tonumber(job.sent_ms) >= nudge then ticket(job) end
    end
    redis.call('HSET', pool, 'look_ms', now + LOOK_AGAIN_MS)
    if starved and #tickets > sent then redis.call('HSET', pool, 'nudge_ms', math.min(nudge * 2, NUDGE_MAX_MS)) end
  end
end
return tickets
