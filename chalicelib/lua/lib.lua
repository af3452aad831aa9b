-- What every transition shares. Put in front of each script when it is loaded; only Redis 6.2 commands.
--
-- KEYS[1] is the prefix, a hash tag such as {mediaq}: every key lives in one slot of one shard.
--
--   <p>:job:<jobId>        hash   an open job: id, state waiting|delayed|active, and what the transitions note
--   <p>:body:<jobId>       string its envelope, so that any worker can run it and anyone can send it a ticket
--   <p>:done:<jobId>       string the marker "<id> <outcome> <token>" of a job that is over, or was retracted, for a day
--   <p>:waiting:<pool>     zset   score priority * 2^32 + round, member <id>:<jobId>: equal scores are first in first out
--   <p>:delayed            zset   score due (ms), same members
--   <p>:active             zset   score end of the lease (ms), same members
--   <p>:rounds:<pool>:<priority>  zset  user -> the round of the last job admitted
--   <p>:pool:<pool>        hash   round:<priority> (claimed last, never falls), claimed_ms, nudge_ms, look_ms
--   <p>:holder:<token>     string <jobId>, for one lease: a claim that is repeated finds its job again
--   <p>:totals             hash   completed, failed, cancelled
--   <p>:history:completed  list   summaries, newest first, 100 of them; history:failed, 1000
--   <p>:usage:<user>:<cycle> hash <operation> charged here, <operation>:seed counted in Directus
--   <p>:meta               hash   born_ms (first write after a wipe), seeded, last_us (of the last id)
--   <p>:taxonomy           hash   generation, size, hits, misses;  <p>:taxonomy:<generation> string the terms

if redis.replicate_commands then redis.replicate_commands() end  -- 6.2 wants it before a write that follows TIME

local P = KEYS[1]
local DAY = 86400
local USAGE_TTL = 40 * DAY
local TWO32 = 4294967296
local TICKET_AGAIN_MS = 60000
local WALL_GRACE_MS = 120000  -- past the wall limit, to close the record of a job that reached it

local function key(...) return table.concat({P, ...}, ':') end

local function time_us(injected_ms)
  if injected_ms ~= '' then return tonumber(injected_ms) * 1000 end
  local t = redis.call('TIME')
  return tonumber(t[1]) * 1000000 + tonumber(t[2])
end

local function born(now)
  redis.call('HSETNX', key('meta'), 'born_ms', string.format('%.0f', now))
end

-- A UUIDv7 that is greater than every one before it, also when the clock steps back.
local function new_id(us, random)
  local last = tonumber(redis.call('HGET', key('meta'), 'last_us')) or 0
  if us <= last then us = last + 1 end
  redis.call('HSET', key('meta'), 'last_us', string.format('%.0f', us))
  local ms = string.format('%012x', math.floor(us / 1000))
  return string.format('%s-%s-7%03x-%s-%s', ms:sub(1, 8), ms:sub(9, 12), us % 1000, random:sub(1, 4), random:sub(5, 16))
end

local function member(id, job_id) return id .. ':' .. job_id end
local function job_of(m) return m:sub(38) end

-- An open job as a table of its fields, or nil.
local function load(job_id)
  local flat = redis.call('HGETALL', key('job', job_id))
  if #flat == 0 then return nil end
  local job = {job_id = job_id}
  for i = 1, #flat, 2 do job[flat[i]] = flat[i + 1] end
  job.member = member(job.id, job_id)
  return job
end

local function note(job, ...) redis.call('HSET', key('job', job.job_id), ...) end
local function forget(job, ...) redis.call('HDEL', key('job', job.job_id), ...) end

-- Take the job out of whichever set its state says.
local function leave(job)
  if job.state == 'waiting' then redis.call('ZREM', key('waiting', job.pool), job.member)
  else redis.call('ZREM', key(job.state), job.member) end
end

local function wait(job)
  redis.call('ZADD', key('waiting', job.pool), job.score, job.member)
  note(job, 'state', 'waiting')
end

local function delay(job, due)
  redis.call('ZADD', key('delayed'), due, job.member)
  note(job, 'state', 'delayed')
end

local function lease_end(job, now, lease_ms)
  return math.min(now + lease_ms, tonumber(job.deadline_ms))
end

local function hold(job, now, lease_ms, token)
  redis.call('ZADD', key('active'), lease_end(job, now, lease_ms), job.member)
  note(job, 'state', 'active', 'token', token)
  forget(job, 'suspect', 'former')
end

-- The next score of a user: one round after the user's last, never before the round that is being claimed.
local function score(pool, priority, user)
  local current = tonumber(redis.call('HGET', key('pool', pool), 'round:' .. priority)) or 0
  local rounds = key('rounds', pool, priority)
  local last = tonumber(redis.call('ZSCORE', rounds, user)) or 0
  local round = math.max(current, last) + 1
  redis.call('ZADD', rounds, round, user)
  return string.format('%.0f', tonumber(priority) * TWO32 + round)
end

-- A job that leaves without being claimed gives its round back when it was its user's last.
local function give_round_back(job)
  local priority = math.floor(tonumber(job.score) / TWO32)
  local round = tonumber(job.score) % TWO32
  local rounds = key('rounds', job.pool, priority)
  if tonumber(redis.call('ZSCORE', rounds, job.user)) == round then
    redis.call('ZADD', rounds, round - 1, job.user)
  end
end

local function charge(job)
  local usage = key('usage', job.user, job.cycle)
  redis.call('HINCRBY', usage, job.operation, 1)
  redis.call('EXPIRE', usage, USAGE_TTL)
  note(job, 'charged', 1)
end

local function refund(job)
  if job.charged ~= '1' then return end
  local usage = key('usage', job.user, job.cycle)
  if tonumber(redis.call('HGET', usage, job.operation) or 0) > 0 then
    redis.call('HINCRBY', usage, job.operation, -1)
  end
end

local function due(now, limit)
  for _, m in ipairs(redis.call('ZRANGEBYSCORE', key('delayed'), '-inf', now, 'LIMIT', 0, limit)) do
    redis.call('ZREM', key('delayed'), m)
    local job = load(job_of(m))
    if job then wait(job) end
  end
end

-- True when `token` may still speak for the job: it holds the lease, or lost it to a sweep and nobody has claimed since.
local function speaks(job, token)
  if job.state == 'active' then return job.token == token end
  return job.state == 'waiting' and job.former == token and token ~= ''
end

-- True for a job that was put back after a wipe and that no holder has spoken up for yet.
local function unheld(job)
  if job.state == 'active' then return job.token == '' end
  return job.state == 'waiting' and not job.runs and job.adopted
end

-- The end of a job: out of the sets, counted once, marked for a day.
local function close(job, outcome, token)
  leave(job)
  if job.state ~= 'active' then give_round_back(job) end
  if outcome ~= 'completed' then
    refund(job)
  elseif job.charged == '1' and redis.call('HEXISTS', key('usage', job.user, job.cycle), job.operation .. ':seed') == 0 then
    refund(job)  -- not counted in Directus yet: that count will include this job
  end
  redis.call('HINCRBY', key('totals'), outcome, 1)
  redis.call('DEL', key('job', job.job_id), key('body', job.job_id))
  redis.call('SET', key('done', job.job_id), job.id .. ' ' .. outcome .. ' ' .. token, 'EX', DAY)
end

-- id, outcome, token of the finished marker, or nil.
local function marker(job_id)
  local done = redis.call('GET', key('done', job_id))
  if not done then return nil end
  return done:match('^(%S+) (%S+) ?(%S*)$')
end
