-- Return the input of the gauges. Its cost is bounded for any number of jobs.
--
-- ARGV  1 now   2 window of failures (ms)   3... the pools
-- Returns {finished, failed (both within the window), ms since any running job made progress or ended, bytes used and allowed
--          (0: no limit) of Redis, then of each pool: waiting, active, age (ms) of the oldest waiting job, paused 0|1}
--
-- The oldest waiting job is one of the first of each priority: a queue is served from the front, so no job behind them has waited
-- much longer.
local now, window = time_ms(ARGV[1]), tonumber(ARGV[2])
local FIRST = 3
local LOADED = 50
local SAMPLE = 100
local MINUTE = 55000  -- the maintenance task may be some seconds early
local DAY = 1440
local totals = call('HMGET', P .. 'totals', 'completed', 'failed', 'cancelled')
local completed, failed = tonumber(totals[1] or 0), tonumber(totals[2] or 0)
born(now)

-- The oldest sample within the window; samples are in order.
local trend = P .. 'trend'
local waiting = 0
for i = 3, #ARGV do waiting = waiting + call('ZCARD', P .. 'waiting:' .. ARGV[i]) end
local seen = string.format('%d %d %d %d %d', now, completed, failed, waiting, call('ZCARD', P .. 'active'))
call('RPUSH', trend, seen)
local day = P .. 'trend:day'
local newest = call('LINDEX', day, -1)
if not newest or now - tonumber(newest:match('%d+')) >= MINUTE then
  call('RPUSH', day, seen)
  call('LTRIM', day, -DAY, -1)
end
local function sample()
  local at, was_completed, was_failed = call('LINDEX', trend, 0):match('(%d+) (%d+) (%d+)')
  return tonumber(at), tonumber(was_completed), tonumber(was_failed)
end
local at, was_completed, was_failed = sample()
while now - at > window do
  call('LPOP', trend)
  at, was_completed, was_failed = sample()
end

-- What runs stands still since the last claim, progress or end of any job.
local total = call('ZCARD', P .. 'active')
local still = 0
if total > 0 then
  local ended = completed + failed + tonumber(totals[3] or 0)
  local last = call('HMGET', P .. 'meta', 'ended', 'ended_ms', 'progress_ms')
  if tonumber(last[1]) ~= ended then
    call('HSET', P .. 'meta', 'ended', ended, 'ended_ms', now)
    last[2] = now
  end
  local moved = math.max(tonumber(last[2]), tonumber(last[3] or 0))
  for i = 3, #ARGV do moved = math.max(moved, tonumber(call('HGET', P .. 'pool:' .. ARGV[i], 'claimed_ms') or 0)) end
  still = now - moved
end

-- The running jobs of each pool: exact for up to SAMPLE, else in the proportion of as many.
local active, sampled = {}, 0
for _, m in ipairs(call('ZRANGE', P .. 'active', 0, SAMPLE - 1)) do
  local job = load(job_of(m))
  if job then
    active[job.pool] = (active[job.pool] or 0) + 1
    sampled = sampled + 1
  end
end
local share = total > SAMPLE and sampled > 0 and total / sampled or 1

-- How long the job has waited that was admitted first of the first ones of each priority. A job may be due since later.
local function oldest_of(pool)
  local waiting, found = P .. 'waiting:' .. pool, {}
  local low = '-inf'
  while true do
    local first = call('ZRANGEBYSCORE', waiting, low, '+inf', 'WITHSCORES', 'LIMIT', 0, FIRST)
    if #first == 0 then break end
    local priority = math.floor(tonumber(first[2]) / TWO32)
    for i = 1, #first, 2 do
      if tonumber(first[i + 1]) >= (priority + 1) * TWO32 then break end
      table.insert(found, {admitted_ms(first[i]), first[i]})
    end
    low = string.format('%.0f', (priority + 1) * TWO32)
  end
  table.sort(found, function(a, b) return a[1] < b[1] end)
  local oldest = now
  for i = 1, math.min(#found, LOADED) do
    if found[i][1] >= oldest then break end
    local job = load(job_of(found[i][2]))
    if job then oldest = math.min(oldest, job.since or found[i][1]) end
  end
  return now - oldest
end

local answer = {}
for i = 3, #ARGV do
  local pool = ARGV[i]
  table.insert(answer, call('ZCARD', P .. 'waiting:' .. pool))
  table.insert(answer, math.floor((active[pool] or 0) * share + 0.5))
  table.insert(answer, oldest_of(pool))
  table.insert(answer, call('HEXISTS', P .. 'pool:' .. pool, 'paused'))
end

local memory = call('INFO', 'memory')
local used, allowed = memory:match('used_memory:(%d+)'), memory:match('maxmemory:(%d+)')
return {math.max(0, completed - was_completed + failed - was_failed), math.max(0, failed - was_failed), still,
  tonumber(used), tonumber(allowed), unpack(answer)}
