-- What the scripts of jobs share, after ../lib.lua.

local PACE_SMOOTHED = 8
local PROMOTED_AT_MOST = 20  -- by one claim; a sweep does the rest

-- A claimed job, as `claim` and `finish` return it.
local function running(job)
  return {job.id, job.job_id, (job.attempts or 0) + 1, job.stalls or 0, job.runs, job.body, job.journal or '',
    job.cancel and 1 or 0}
end

-- The job that `token` claimed in a call whose answer was lost, if the token holds it still.
local function claimed_before(job_id, token)
  local job = job_id and job_id ~= '' and load(job_id)
  return job and job.state == 'active' and job.token == token and running(job) or nil
end

-- The turn of a pool goes to `job`: note its round, and the time since the claim before.
local function note_turn(job, pool_key, known, now)
  local round, current = job.score % TWO32, tonumber(known[2] or 0)
  if round > current then
    call('ZREMRANGEBYSCORE', P .. 'rounds:' .. job.pool .. ':' .. job.priority, '-inf', round)
    current = round
  end
  -- If the job was waiting at the claim before, the time between the claims is the cost of one position.
  local claimed, pace = tonumber(known[3] or 0), tonumber(known[4] or 0)
  if claimed > 0 and now >= claimed and (job.since or admitted_ms(job.id)) <= claimed then
    local took = math.max(1, now - claimed)
    pace = pace > 0 and pace + (took - pace) / PACE_SMOOTHED or took
  end
  call('HSET', pool_key, 'round:' .. job.priority, current, 'claimed_ms', now, 'pace_ms', pace, 'wake_ms', 0)
end

-- The score of the job with parts whose turn is next in a pool.
local function offered_score(pool)
  return tonumber(call('ZRANGE', P .. 'offered:' .. pool, 0, 0, 'WITHSCORES')[2])
end

-- Claim the best waiting job of a pool for `token`. Nil: none waits, the pool is paused, or, if `after_parts`, the turn is that
-- of a job with parts.
local function claim_best(pool, now, token, lease_ms, after_parts)
  local waiting, pool_key = P .. 'waiting:' .. pool, P .. 'pool:' .. pool
  while true do
    local best = call('ZPOPMIN', waiting)
    if not best[1] then return nil end
    local job = load(job_of(best[1]))
    if job then
      local known = call('HMGET', pool_key, 'paused', 'round:' .. job.priority, 'claimed_ms', 'pace_ms')
      local parts = after_parts and offered_score(pool)
      if known[1] or (parts and parts < job.score) then
        call('ZADD', waiting, best[2], best[1])
        return nil
      end
      note_turn(job, pool_key, known, now)
      job.runs = (job.runs or 0) + 1
      job.deadline_ms = now + job.wall_ms + WALL_GRACE_MS
      job.progress = nil
      hold(job, now, lease_ms, token)
      save(job)
      return running(job)
    end
  end
end
