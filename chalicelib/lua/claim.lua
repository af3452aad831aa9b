-- Claim the best waiting job of a pool for the holder of a ticket.
--
-- ARGV  1 now   2 pool   3 id and 4 jobId of the ticket's own job   5 token (random, minted by the worker)   6 lease (ms)
-- Returns {run, id, jobId, attempt, stalls, runs, body}   not always the ticket's own job
--         {drop}        the ticket's job is finished, or a newer admission has its own ticket
--         {hold, ms}    the ticket's job is running or delayed: it may need this ticket later
--         {elsewhere}   the ticket's job moved to the other pool, where it has a ticket
--         {unknown}     the ledger has forgotten the job, or never knew this admission: read the record
local now = math.floor(time_us(ARGV[1]) / 1000)
local pool, id, job_id, token, lease_ms = ARGV[2], ARGV[3], ARGV[4], ARGV[5], tonumber(ARGV[6])
local HOLD_ACTIVE_MS = 600000
born(now)
due(now, 100)

local function run(job)
  return {'run', job.id, job.job_id, tonumber(job.attempts or 0) + 1, tonumber(job.stalls or 0), tonumber(job.runs),
    redis.call('GET', key('body', job.job_id))}
end

local mine = redis.call('GET', key('holder', token))  -- this very claim, repeated because its answer was lost
if mine then
  local job = load(mine)
  if job and job.state == 'active' and job.token == token then return run(job) end
end

local own = load(job_id)
if own then
  if own.id > id then return {'drop'} end
  if own.id < id then return {'unknown'} end
  if own.state == 'active' then return {'hold', HOLD_ACTIVE_MS} end
  if own.pool ~= pool then return {'elsewhere'} end
  if own.state == 'delayed' then
    return {'hold', math.max(1, redis.call('ZSCORE', key('delayed'), own.member) - now)}
  end
else
  local done_id = marker(job_id)
  if not done_id or done_id < id then return {'unknown'} end
  return {'drop'}
end

local best = redis.call('ZPOPMIN', key('waiting', pool))
local job = load(job_of(best[1]))
local priority = math.floor(tonumber(best[2]) / TWO32)
local round = tonumber(best[2]) % TWO32
local current = tonumber(redis.call('HGET', key('pool', pool), 'round:' .. priority)) or 0
if round > current then
  redis.call('HSET', key('pool', pool), 'round:' .. priority, round)
  redis.call('ZREMRANGEBYSCORE', key('rounds', pool, priority), '-inf', round)
end
redis.call('HSET', key('pool', pool), 'claimed_ms', now)
redis.call('HDEL', key('pool', pool), 'nudge_ms', 'look_ms')

job.runs = tonumber(job.runs or 0) + 1
job.deadline_ms = now + tonumber(job.wall_ms) + WALL_GRACE_MS
note(job, 'runs', job.runs, 'deadline_ms', job.deadline_ms, 'started_ms', now)
forget(job, 'progress')
hold(job, now, lease_ms, token)
redis.call('SET', key('holder', token), job.job_id, 'PX', lease_ms)
return run(job)
