-- Requeue jobs whose lease expired, promote delayed jobs that are due, find jobs without a ticket. Safe to repeat.
--
-- ARGV  1 now   2 the limit of jobs   3 time to the second check (ms)   4 a pool without a claim is starved after (ms)
--       5... the pools
-- Returns {paused pools, separated by commas; webhook events that are due; of these, events that no worker takes; tests of
--         credentials that wait; jobs with parts to take; waiting jobs of each pool; body, id, body, id, ...} of the jobs that need
--         a new ticket
--
-- An expired lease makes its job suspect. Only a second check, later, requeues it: after a pause of Redis or of the whole
-- machine, the holders renew in between. A second stall does not fail the job here: the worker that claims it next does.
local now = time_ms(ARGV[1])
local most, second_check, starved_after = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local CHECK_AGAIN_MS = 5000
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
    call('ZADD', P .. 'active', now + second_check, m)
  else
    local former = job.token
    let_go(job)
    -- If it was restored after a wipe and never renewed, no worker is at fault.
    job.former, job.stalls = former, (job.stalls or 0) + (former ~= '' and 1 or 0)
    wait(job, now)
    ticket(job)
  end
end

-- Tickets that were never sent: jobs wait, and nobody has claimed for a while. The next resend waits twice as long. While
-- others are claimed, a job still gets a new ticket after 15 minutes: it may be the only one without.
local function resend_tickets(pool)
  local pool_key = P .. 'pool:' .. pool
  local seen = call('HMGET', pool_key, 'paused', 'claimed_ms', 'wake_ms', 'sweep_ms')
  if seen[1] then table.insert(paused, pool) end
  if seen[1] or now < tonumber(seen[4] or 0) then return end
  local starved = now - tonumber(seen[2] or 0) >= starved_after
  local resend_after = RESEND_MAX_MS
  if starved then resend_after = tonumber(seen[3] or 0) > 0 and tonumber(seen[3]) or starved_after end
  local sent = #tickets
  for _, m in ipairs(call('ZRANGE', P .. 'waiting:' .. pool, 0, most - 1)) do
    local job = load(job_of(m))
    if job and now - job.sent_ms >= resend_after then ticket(job) end
  end
  if starved and #tickets > sent then resend_after = math.min(resend_after * 2, RESEND_MAX_MS) end
  if #tickets > sent or call('EXISTS', P .. 'waiting:' .. pool) == 1 then
    call('HSET', pool_key, 'sweep_ms', now + CHECK_AGAIN_MS, 'wake_ms', starved and resend_after or 0)
  end
end

local offered = 0
for i = 5, #ARGV do
  resend_tickets(ARGV[i])
  offered = offered + call('ZCARD', P .. 'offered:' .. ARGV[i])
end
for i = #ARGV, 5, -1 do table.insert(tickets, 1, call('ZCARD', P .. 'waiting:' .. ARGV[i])) end
table.insert(tickets, 1, offered)
table.insert(tickets, 1, call('LLEN', P .. 'credential_tests'))
table.insert(tickets, 1, call('ZCOUNT', P .. 'webhooks', '-inf', now - UNDELIVERED_MS))
table.insert(tickets, 1, call('ZCOUNT', P .. 'webhooks', '-inf', now))
table.insert(tickets, 1, table.concat(paused, ','))
return tickets
