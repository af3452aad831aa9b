-- Return the input of the gauges. It reads every running job, so only the maintenance task calls it, once a minute.
--
-- ARGV  1 now   2 window of failures (ms)   3... the pools
-- Returns {finished, failed (both within the window), ms since any running job made progress or ended, bytes used and allowed
--          (0: no limit) of Redis, then of each pool: waiting, active, age (ms) of the oldest waiting job, paused 0|1}
--
-- The oldest waiting job is one of the first of each priority: a queue is served from the front, so no job behind them has waited
-- much longer.
local now, window = time_ms(ARGV[1]), tonumber(ARGV[2])
local FIRST = 10
local PRIORITIES = 100
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

local active, looks = {}, {}
for _, m in ipairs(call('ZRANGE', P .. 'active', 0, -1)) do
  local job = load(job_of(m))
  if job then
    active[job.pool] = (active[job.pool] or 0) + 1
    table.insert(looks, m .. '=' .. (job.progress or ''))
  end
end
local still = 0
if #looks == 0 then
  call('HDEL', P .. 'meta', 'moved', 'moved_ms')
else
  table.sort(looks)
  local look = redis.sha1hex(completed .. ' ' .. failed .. ' ' .. (totals[3] or 0) .. ' ' .. table.concat(looks, ' '))
  local last = call('HMGET', P .. 'meta', 'moved', 'moved_ms')
  if last[1] == look then
    still = now - tonumber(last[2])
  else
    call('HSET', P .. 'meta', 'moved', look, 'moved_ms', now)
  end
end

local answer = {}
for i = 3, #ARGV do
  local waiting = P .. 'waiting:' .. ARGV[i]
  local count, oldest = call('ZCARD', waiting), 0
  local from = count > 0 and 1 or PRIORITIES + 1
  for priority = from, PRIORITIES do
    local low, high = priority * TWO32, '(' .. string.format('%.0f', (priority + 1) * TWO32)
    for _, m in ipairs(call('ZRANGEBYSCORE', waiting, string.format('%.0f', low), high, 'LIMIT', 0, FIRST)) do
      local job = load(job_of(m))
      local since = job and (job.since or admitted_ms(m)) or now
      oldest = math.max(oldest, now - since)
    end
  end
  table.insert(answer, count)
  table.insert(answer, active[ARGV[i]] or 0)
  table.insert(answer, oldest)
  table.insert(answer, call('HEXISTS', P .. 'pool:' .. ARGV[i], 'paused'))
end

local memory = call('INFO', 'memory')
local used, allowed = memory:match('used_memory:(%d+)'), memory:match('maxmemory:(%d+)')
return {math.max(0, completed - was_completed + failed - was_failed), math.max(0, failed - was_failed), still,
  tonumber(used), tonumber(allowed), unpack(answer)}
