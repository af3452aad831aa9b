-- Admit a job: deduplicate, charge the quota, add it to waiting or delayed.
--
-- ARGV  1 now (ms, or '' for the clock of Redis)   2 jobId   3 random (16 hex digits)
--       4 record: pending | processing | failed as in Directus; reopened if the caller has just set it to pending
--       5 body   6 user   7 operation   8 pool   9 priority   10 delay (ms)   11 time limit of an attempt (ms)
--       12 cycle   13 limit of the plan (-1: none)   14 the limit of delayed jobs per user
--       15 callback_url, or ''   16 token of the caller, for the record lock
--       17 what the user's jobs may cost in the cycle (billionths of a dollar; -1: no budget)
--       18 1: only answer, and change nothing
-- Returns {open, id, send 0|1, body, ms until due}   the job is in the ledger; send is 1 for the second caller, and if its
--                       last ticket is older than a minute
--         {admitted, id}
--         {admissible, position in the queue, pace of the pool (ms, 0: unknown), paused 0|1}   if nothing is to be changed
--         {seed}        the usage is unknown: count in Directus, call usage/seed, repeat
--         {limit}       the quota is used up
--         {seed_spending}  the cost of the user's jobs is unknown: usage/seed it, repeat
--         {budget}      they cost as much as they may
--         {scheduled}   the user has too many delayed jobs
--         {reopen}      the record failed and may start again; the caller has its lock: set it to pending, repeat with reopened
--         {locked}      another caller writes the record: read it again in a moment, repeat
--         {closing}     the record failed, but its job is still being closed
--         {completed}   the record was read before it was completed
--         {stale}       the ledger knows that the job failed: read the record again, repeat with failed or reopened
local now_us = time_us(ARGV[1])
local now = math.floor(now_us / 1000)
local job_id, record, user, operation, cycle = ARGV[2], ARGV[4], ARGV[6], ARGV[7], ARGV[12]
local delay_ms, limit, only_answer = tonumber(ARGV[10]), tonumber(ARGV[13]), ARGV[18] == '1'

-- A UUIDv7 greater than all before it, also if the clock steps back.
local function new_id(random)
  local meta = call('HMGET', P .. 'meta', 'last_us', 'born_ms')
  local us = math.max(now_us, tonumber(meta[1] or 0) + 1)
  call('HSET', P .. 'meta', 'last_us', us, 'born_ms', meta[2] or now)
  local ms = string.format('%012x', math.floor(us / 1000))
  return string.format('%s-%s-7%03x-%s-%s', ms:sub(1, 8), ms:sub(9), us % 1000, random:sub(1, 4), random:sub(5))
end

local found = call('MGET', P .. 'job:' .. job_id, P .. 'done:' .. job_id, P .. 'lock:' .. job_id)
local open, owner = unpacked(found[1]), found[3]
local _, outcome = parsed(found[2])
if open then
  if open.id:sub(20, 23) .. open.id:sub(25) == ARGV[3] then return {'admitted', open.id} end  -- this call is repeated
  if record == 'failed' then return {'closing'} end
  if only_answer then return {'open', open.id, 0, open.body, 0} end
  -- It is unknown whether the first caller's ticket was sent. So the second caller sends one too.
  local send = not open.shared or now - open.sent_ms >= TICKET_AGAIN_MS
  open.shared = true
  if send then open.sent_ms = now end
  save(open)
  local due = open.state == 'delayed' and tonumber(call('ZSCORE', P .. 'delayed', member(open))) or now
  return {'open', open.id, send and 1 or 0, open.body, math.max(0, due - now)}
end

if outcome == 'completed' then return {'completed'} end
if owner and owner ~= ARGV[16] then return {'locked'} end
local failed = outcome and outcome ~= 'retracted'
if failed and record ~= 'failed' and record ~= 'reopened' then return {'stale'} end

if limit >= 0 then
  local usage = call('HMGET', P .. 'usage:' .. user .. ':' .. cycle, operation, operation .. ':seed')
  if not usage[2] then return {'seed'} end
  if tonumber(usage[1] or 0) + tonumber(usage[2]) >= limit then return {'limit'} end
end
if tonumber(ARGV[17]) >= 0 then
  local spent = call('HMGET', P .. 'usage:' .. user .. ':' .. cycle, 'nano_usd', 'nano_usd:seed')
  if not spent[2] then return {'seed_spending'} end
  if tonumber(spent[1] or 0) + tonumber(spent[2]) >= tonumber(ARGV[17]) then return {'budget'} end
end
if delay_ms > 0 and tonumber(call('HGET', P .. 'scheduled', user) or 0) >= tonumber(ARGV[14]) then return {'scheduled'} end
if only_answer then
  local pool, priority = ARGV[8], tonumber(ARGV[9])
  local known = call('HMGET', P .. 'pool:' .. pool, 'pace_ms', 'paused')
  local score = priority * TWO32 + next_round(pool, priority, user)
  local before = call('ZCOUNT', P .. 'waiting:' .. pool, '-inf', string.format('%.17g', score))
  return {'admissible', before + 1, math.floor(tonumber(known[1] or 0)), known[2] and 1 or 0}
end
if record == 'failed' then
  lock(job_id, ARGV[16])
  return {'reopen'}
end
if owner then call('DEL', P .. 'lock:' .. job_id) end

local job = {
  id = new_id(ARGV[3]), job_id = job_id, user = user, operation = operation, pool = ARGV[8], cycle = cycle,
  priority = tonumber(ARGV[9]), wall_ms = tonumber(ARGV[11]), sent_ms = now, body = ARGV[5],
  callback_url = ARGV[15] ~= '' and ARGV[15] or nil,
}
charge(job)
if outcome then call('DEL', P .. 'done:' .. job_id) end
if delay_ms > 0 then
  call('HINCRBY', P .. 'scheduled', user, 1)
  job.scheduled = true
  delay(job, now + delay_ms)
else
  take_round(job)
  wait(job)
end
save(job)
return {'admitted', job.id}
