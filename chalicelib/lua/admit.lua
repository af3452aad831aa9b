-- Admit a job: deduplicate, charge the quota, add it to waiting or delayed.
--
-- ARGV  1 now (ms, or '' for the clock of Redis)   2 jobId   3 random (16 hex digits)
--       4 record: pending | processing | failed as Directus has it, reopened when the caller has just set it to pending
--       5 body   6 user   7 operation   8 pool   9 priority   10 delay (ms)   11 wall limit (ms)
--       12 cycle   13 limit of the plan (-1: none)
-- Returns {open, id, send 0|1, body}   already there; send is 1 for the second caller, and when no ticket went out for a minute
--         {admitted, id}
--         {seed}        the quota is not known: count in Directus, seed_usage, call again
--         {limit}       the quota is spent
--         {reopen}      a failed record may start anew: set it to pending, call again with reopened
--         {closing}     a failed record whose job is still being closed
--         {completed}   the record was read before it was completed
--         {stale}       the ledger saw this job fail: read the record again, then say failed or reopened
local now_us = time_us(ARGV[1])
local now = math.floor(now_us / 1000)
local job_id, record, user, operation = ARGV[2], ARGV[4], ARGV[6], ARGV[7]
local pool, priority, cycle, limit = ARGV[8], ARGV[9], ARGV[12], tonumber(ARGV[13])
born(now)

local open = load(job_id)
if open then
  if open.id:sub(20, 23) .. open.id:sub(25) == ARGV[3] then return {'admitted', open.id} end  -- this call, repeated
  if record == 'failed' then return {'closing'} end
  -- Whether the first caller's ticket went out is not known here: the second caller sends one too, and is answered by it.
  local send = not open.shared or now - tonumber(open.sent_ms) >= TICKET_AGAIN_MS
  note(open, 'shared', 1, 'sent_ms', send and now or open.sent_ms)
  return {'open', open.id, send and 1 or 0, redis.call('GET', key('body', job_id))}
end

local _, outcome = marker(job_id)
if outcome == 'completed' then return {'completed'} end
if outcome == 'retracted' then outcome = nil end
if outcome and record ~= 'failed' and record ~= 'reopened' then return {'stale'} end

if limit >= 0 then
  local usage = redis.call('HMGET', key('usage', user, cycle), operation, operation .. ':seed')
  if not usage[2] then return {'seed'} end
  if (tonumber(usage[1]) or 0) + tonumber(usage[2]) >= limit then return {'limit'} end
end
if record == 'failed' then return {'reopen'} end

local job = {job_id = job_id, id = new_id(now_us, ARGV[3]), user = user, operation = operation, pool = pool, cycle = cycle}
job.member = member(job.id, job_id)
job.score = score(pool, priority, user)
note(job, 'id', job.id, 'user', user, 'operation', operation, 'pool', pool, 'cycle', cycle,
  'score', job.score, 'wall_ms', ARGV[11], 'sent_ms', now)
charge(job)
redis.call('SET', key('body', job_id), ARGV[5])
redis.call('DEL', key('done', job_id))
if tonumber(ARGV[10]) > 0 then delay(job, now + tonumber(ARGV[10])) else wait(job) end
return {'admitted', job.id}
