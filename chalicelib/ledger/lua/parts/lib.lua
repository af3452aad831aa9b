-- What the scripts of parts share, after ../lib.lua.
--
--   <p>:parts:<jobId>        hash   plan -> the plan, and number -> part, as MessagePack
--   <p>:parts_open:<jobId>   zset   score -weight, member number: parts to claim, the one with the most work first
--   <p>:parts_held:<jobId>   zset   score end of the last lease (ms), member number
--   <p>:parts_late:<jobId>   zset   score when a second worker may start it (ms), member number
--   <p>:parts_done:<jobId>   list   "<number> <result>", in the order in which they finished
--   <p>:part_claim:<token>   string jobId of a claimed part, for a repeated call, for a minute
--   <p>:parts_totals         hash   finished, repeated (runs of parts), since the last wipe
--   <p>:offered:<pool>       zset   score as of a waiting job, member <id>:<jobId>: jobs with parts for the workers of a pool
--
-- A plan: id (of the admission), hash, recipe, engine, count, attempts, pools, done, spent_ms and weight (of finished parts), error.
-- A part: n, weight (expected seconds), source, bytes, state open | active | finished | failed, runs (claims that count),
--   holders {token, worker, since, till}, result, result_bytes, ended (token), worker, since, took_ms, errors (decode errors), cpu_ms (of a helper),
--   error, suspect (its lease ended once)

local LATE_MS = 10000
local SUSPECT_MS = 3000
local COUNT_MAX = 1000

local function save_plan(job_id, plan) call('HSET', P .. 'parts:' .. job_id, 'plan', cmsgpack.pack(plan)) end
local function load_part(job_id, n) return unpacked(call('HGET', P .. 'parts:' .. job_id, n)) end
local function save_part(job_id, part) call('HSET', P .. 'parts:' .. job_id, part.n, cmsgpack.pack(part)) end
local function load_plan(job_id) return unpacked(call('HGET', P .. 'parts:' .. job_id, 'plan')) end

-- The job, if `token` holds its lease; else nil and the answer.
local function held_job(job_id, id, token)
  local job, done_id = look_up(job_id)
  if not job then return nil, done_id and done_id >= id and 'lost' or 'unknown' end
  if job.id ~= id then return nil, job.id < id and 'unknown' or 'lost' end
  if job.state ~= 'active' or job.token ~= token then return nil, 'lost' end
  return job
end

-- The job, the part, and the holder with this token; nil if the job runs no more, or not with this plan.
local function held_part(job_id, id, n, token)
  local job = load(job_id)
  if not job or job.id ~= id or job.cancel or not job.parts then return nil end
  local part = load_part(job_id, n)
  if not part then return nil end
  for _, holder in ipairs(part.holders) do
    if holder.token == token then return job, part, holder end
  end
  return job, part, nil
end

local function save_held(job_id, part)
  local till = 0
  for _, holder in ipairs(part.holders) do till = math.max(till, holder.till) end
  call('ZADD', P .. 'parts_held:' .. job_id, till, part.n)
  part.suspect = nil
  save_part(job_id, part)
end

local function drop_holder(part, token)
  for i, holder in ipairs(part.holders) do
    if holder.token == token then return table.remove(part.holders, i) end
  end
end

-- A holder is gone. The part is open again, unless another worker runs it or it has used up its attempts.
local function reopen_part(job, plan, part, rejected)
  if #part.holders > 0 and not rejected then return save_held(job.job_id, part) end
  call('ZREM', P .. 'parts_held:' .. job.job_id, part.n)
  call('ZREM', P .. 'parts_late:' .. job.job_id, part.n)
  if rejected or part.runs >= plan.attempts then
    part.state, part.holders = 'failed', {}
    plan.error = part.error or 'The workers that ran a part of the film died'
    save_plan(job.job_id, plan)
    withdraw_parts(job)
  else
    part.state = 'open'
    call('ZADD', P .. 'parts_open:' .. job.job_id, -part.weight, part.n)
  end
  save_part(job.job_id, part)
end

-- Reopen the parts whose workers stopped renewing. As with jobs, only a second check does: after an outage of Redis, their
-- workers renew in between.
local function expire_parts(job, plan, now)
  for _, n in ipairs(call('ZRANGEBYSCORE', P .. 'parts_held:' .. job.job_id, '-inf', now, 'LIMIT', 0, 100)) do
    local part = load_part(job.job_id, n)
    if part.suspect then
      part.holders, part.suspect = {}, nil
      reopen_part(job, plan, part)
    else
      part.suspect = true
      save_part(job.job_id, part)
      call('ZADD', P .. 'parts_held:' .. job.job_id, now + SUSPECT_MS, n)
    end
  end
end

local function finished_parts(job_id, from)
  local flat = {}
  for _, line in ipairs(call('LRANGE', P .. 'parts_done:' .. job_id, from or 0, -1)) do
    local n, result = line:match('^(%d+) (.*)$')
    table.insert(flat, n)
    table.insert(flat, result)
  end
  return flat
end

-- Let the workers of the pools take parts, if there are any to take.
local function offer_parts(job, plan)
  if plan.error or plan.done >= plan.count then return end
  for _, pool in ipairs(plan.pools) do
    if not call('ZSCORE', P .. 'offered:' .. pool, member(job)) then
      call('ZADD', P .. 'offered:' .. pool, next_score(pool, job.priority, job.user), member(job))
    end
  end
end
