-- Requeue what nobody holds any more, promote what is due, find pools that lack tickets.
--
-- ARGV  1 now   2 the most jobs to look at   3 second look after (ms)   4 a pool without a claim is starved after (ms)
--       5... the pools
-- Returns {the paused pools, by comma, how many outcomes are due to be told, how many of them nobody tells, body, id, body, id, ...} of the jobs that need a fresh ticket. Safe to run as often as
-- one likes.
--
-- A lease that ran out makes its job suspect; only a second look, later, requeues it. After a pause of Redis or of
-- everything the holders renew between the two, and nothing is lost. A second stall is not judged here: the worker that
-- claims the job next sees it and fails the job.
local now = time_ms(ARGV[1])
local most, second_look, starved_after = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local NUDGE_MAX_MS = 900000
local LOOK_AGAIN_MS = 5000
local paused, tickets = {}, {}
born(now)
promote(now, most)

local function ticket(job)
  job.sent_ms = now
  save(job)
  table.insert(tickets, job.body)
  table.insert(tickets, job.id)
end

for _, m in ipairs(call('ZRANGEBYSCORE', P .. 'active', '-inf', now, 'LIMIT', 0, most)) do
  local job = load(job_of(m))
  if not job or member(job) ~= m then
    call('ZREM', P .. 'active', m)
  elseif not job.suspect then
    job.suspect = true
    save(job)
    call('ZADD', P .. 'active', now + second_look, m)
  else
    local former = job.token
    let_go(job)
    -- Put back after a wipe, and nobody spoke up: then no worker is to blame.
    job.former, job.stalls = former, (job.stalls or 0) + (former ~= '' and 1 or 0)
    wait(job, now)
    ticket(job)
  end
end

-- Tickets that never went out: waiting jobs, and nobody has claimed for a while. The next nudge waits twice as long. While
-- others are claimed, a job is sent a ticket after a quarter of an hour all the same: it may be the only one without.
local function nudge_pool(pool)
  local pool_key = P .. 'pool:' .. pool
  local seen = call('HMGET', pool_key, 'paused', 'claimed_ms', 'wake_ms', 'sweep_ms')
  if seen[1] then table.insert(paused, pool) end
  if seen[1] or now < tonumber(seen[4] or 0) then return end
  local starved = now - tonumber(seen[2] or 0) >= starved_after
  local nudge = NUDGE_MAX_MS
  if starved then nudge = tonumber(seen[3] or 0) > 0 and tonumber(seen[3]) or starved_after end
  local sent = #tickets
  for _, m in ipairs(call('ZRANGE', P .. 'waiting:' .. pool, 0, most - 1)) do
    local job = load(job_of(m))
    if job and now - job.sent_ms >= nudge then ticket(job) end
  end
  if starved and #tickets > sent then nudge = math.min(nudge * 2, NUDGE_MAX_MS) end
  if #tickets > sent or call('EXISTS', P .. 'waiting:' .. pool) == 1 then
    call('HSET', pool_key, 'sweep_ms', now + LOOK_AGAIN_MS, 'wake_ms', starved and nudge or 0)
  end
end

for i = 5, #ARGV do nudge_pool(ARGV[i]) end
table.insert(tickets, 1, call('ZCOUNT', P .. 'webhooks', '-inf', now - UNDELIVERED_MS))
table.insert(tickets, 1, call('ZCOUNT', P .. 'webhooks', '-inf', now))
table.insert(tickets, 1, table.concat(paused, ','))
return tickets
