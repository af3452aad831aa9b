-- Claim the best waiting job of a pool for the holder of a ticket.
--
-- ARGV  1 now   2 pool   3 id and 4 jobId in the ticket   5 token (random, from the worker)   6 lease (ms)
-- Returns {run, id, jobId, attempt, stalls, runs, body, journal, cancel 0|1}   maybe another job than that of the ticket;
--                       cancel 1: close it as cancelled, do not start it
--         {drop}        the ticket's job ended, or a newer admission has its own ticket
--         {hold, ms}    the ticket's job is running or delayed and may need this ticket; or the pool is paused
--         {elsewhere}   the ticket's job moved to the other pool, where it has a ticket
--         {unknown}     the ledger does not know this admission: read the record
local now = time_ms(ARGV[1])
local pool, id, job_id, token, lease_ms = ARGV[2], ARGV[3], ARGV[4], ARGV[5], tonumber(ARGV[6])
local HOLD_ACTIVE_MS = 150000  -- if its worker dies and Redis is wiped, only this ticket is left of the job
local HOLD_PAUSED_MS = 300000
local PACE_SMOOTHED = 8
promote(now, 100)

local function run(job)
  return {'run', job.id, job.job_id, (job.attempts or 0) + 1, job.stalls or 0, job.runs, job.body, job.journal or '',
    job.cancel and 1 or 0}
end

if KEYS[2] then  -- the answer was lost; the job that it claimed must not be
  for _, m in ipairs(call('ZRANGE', P .. 'active', 0, -1)) do
    local job = load(job_of(m))
    if job and job.token == token then return run(job) end
  end
end

local own, done_id = look_up(job_id)
if own then
  if own.id > id then return {'drop'} end
  if own.id < id then return {'unknown'} end
  if own.state == 'active' then return {'hold', HOLD_ACTIVE_MS} end
  if own.pool ~= pool then return {'elsewhere'} end
  if own.state == 'delayed' then return {'hold', math.max(1, call('ZSCORE', P .. 'delayed', member(own)) - now)} end
else
  return {done_id and done_id >= id and 'drop' or 'unknown'}
end

local pool_key = P .. 'pool:' .. pool
local waiting = P .. 'waiting:' .. pool
local pool_is = call('HMGET', pool_key, 'paused', 'round:' .. own.priority, 'claimed_ms', 'pace_ms')  -- usually also the priority of the best job
if pool_is[1] then return {'hold', HOLD_PAUSED_MS} end
local best = call('ZPOPMIN', waiting)[1]
local job = best == member(own) and own or load(job_of(best))
local round, field = job.score % TWO32, 'round:' .. job.priority
local current = tonumber((job.priority == own.priority and pool_is[2] or call('HGET', pool_key, field)) or 0)
if round > current then
  call('ZREMRANGEBYSCORE', P .. 'rounds:' .. pool .. ':' .. job.priority, '-inf', round)
  current = round
end
-- If the job was waiting at the claim before, the time between the claims is the cost of one position.
local claimed, pace = tonumber(pool_is[3] or 0), tonumber(pool_is[4] or 0)
if claimed > 0 and now >= claimed and (job.since or admitted_ms(job.id)) <= claimed then
  local took = math.max(1, now - claimed)
  pace = pace > 0 and pace + (took - pace) / PACE_SMOOTHED or took
end
call('HSET', pool_key, field, current, 'claimed_ms', now, 'pace_ms', pace, 'wake_ms', 0)

job.runs = (job.runs or 0) + 1
job.deadline_ms = now + job.wall_ms + WALL_GRACE_MS
job.progress = nil
hold(job, now, lease_ms, token)
save(job)
return run(job)
