-- What every transition shares. Put in front of each script when it is loaded; only Redis 6.2 commands.
--
-- KEYS[1] is the prefix, a hash tag such as {mediaq}: every key lives in one slot of one shard. KEYS[2] is there when the
-- call is made once more because its answer was lost.
--
--   <p>:job:<jobId>        string an open job, as MessagePack: its envelope, its state, and what the transitions note
--   <p>:done:<jobId>       string the marker "<id> <outcome> <token>" of a job that is over, or was retracted, for a day
--   <p>:waiting:<pool>     zset   score priority * 2^32 + round, member <id>:<jobId>: equal scores are first in first out
--   <p>:delayed            zset   score due (ms), same members
--   <p>:active             zset   score end of the lease (ms), same members
--   <p>:rounds:<pool>:<priority>  zset  user -> the round of the last job admitted
--   <p>:pool:<pool>        hash   round:<priority> (claimed last, never falls), claimed_ms, pace_ms (between two claims while
--                          jobs waited, smoothed), wake_ms, sweep_ms, paused
--   <p>:returned           set    jobId of the open jobs that were claimed and are not held any more
--   <p>:scheduled          hash   user -> how many jobs wait for a time that the user named
--   <p>:totals             hash   completed, failed, cancelled
--   <p>:history:completed  list   summaries, newest first, the last 100 and a few; history:failed, 1000
--   <p>:usage:<user>:<cycle> hash <operation> charged here, <operation>:seed counted in Directus
--   <p>:meta               hash   born_ms (first write after a wipe or a restart), run_id (of the server), seeded, last_us (of the last id),
--                          observed_ms, moved and moved_ms (what the running jobs looked like, and since when)
--   <p>:trend              list   "<ms> <completed> <failed> <waiting> <active>", one an observation, as far back as failures
--                          are looked at
--   <p>:webhooks          zset   score due (ms), member jobId: outcomes that a caller wants to be told
--   <p>:webhook:<jobId>   string the latest such outcome, as MessagePack: id, user, url, outcome, tries, body; and over instead of
--                          body once nobody tries any more, for a day
--   <p>:webhook_backoff            hash   user -> until when none of their callbacks is told (ms)
--   <p>:lock:<jobId>       string the token of whoever may change the status of the record besides the lease holder, for
--                          RECORD_LOCK_MS: see docs/adr/0020-record-locks.md
--   <p>:programs           hash   worker -> "<ms> <JSON>": what its programs are, and what they lack
--   <p>:alarms             hash   alarm -> "<ms since it is true> <ms when it turned on, or 0>"
--   <p>:taxonomy           hash   generation, size, hits, misses;  <p>:taxonomy:<generation> string the terms
--
-- A job: id, job_id, user, operation, pool, cycle, priority, score, wall_ms, sent_ms (last ticket), body, and
--   state waiting | delayed | active, attempts, stalls, runs (claims), charged, shared (a second caller asked for it),
--   returned (as above), scheduled (its first time is the user's), adopted (put back after a wipe), cancel (asked for),
--   starting (its holder may still set the record to processing), closing (its record, now), progress,
--   token (its holder), former (who held it before a sweep), ended (who gave it back last), suspect (looked at once),
--   deadline_ms (no lease goes further), since (waits since then, and not since its admission), callback (the address that its end is told to),
--   journal (what its workers wrote down of their attempts, in JSON that is not read here)

if redis.replicate_commands then redis.replicate_commands() end  -- 6.2 wants it before a write that follows TIME

local P = KEYS[1] .. ':'
local DAY = 86400
local USAGE_TTL = 40 * DAY
local SCHEDULE_TTL = 8 * DAY
local UNDELIVERED_MS = 15000
local WEBHOOK_TTL = 2 * DAY  -- the last try is within hours
local TWO32 = 4294967296
local TICKET_AGAIN_MS = 60000
local RECORD_LOCK_MS = 15000  -- longer than a call to Directus takes, or is waited for
local WALL_GRACE_MS = 120000  -- past the wall limit, to close the record of a job that reached it
local call = redis.call

local function time_us(injected_ms)
  if injected_ms ~= '' then return tonumber(injected_ms) * 1000 end
  local t = call('TIME')
  return tonumber(t[1]) * 1000000 + tonumber(t[2])
end

local function time_ms(injected_ms) return math.floor(time_us(injected_ms) / 1000) end

local function born(now) call('HSETNX', P .. 'meta', 'born_ms', now) end

local function unpacked(packed) return packed and cmsgpack.unpack(packed) end
local function load(job_id) return unpacked(call('GET', P .. 'job:' .. job_id)) end
local function save(job) call('SET', P .. 'job:' .. job.job_id, cmsgpack.pack(job)) end
local function drop(job) call('DEL', P .. 'job:' .. job.job_id) end

local function member(job) return job.id .. ':' .. job.job_id end
local function job_of(m) return m:sub(38) end

-- id, outcome, token of a finished marker, or nil.
local function parsed(done)
  if not done then return nil end
  return done:match('^(%S+) (%S+) ?(%S*)$')
end

-- The open job, and id, outcome, token of the finished marker.
local function look_up(job_id)
  local found = call('MGET', P .. 'job:' .. job_id, P .. 'done:' .. job_id)
  return unpacked(found[1]), parsed(found[2])
end

-- The lock on a record. It excludes whoever is no lease holder: cancel, reopen and refuse. True when `token` has it now.
local function lock(job_id, token)
  local key = P .. 'lock:' .. job_id
  local owner = call('GET', key)
  if owner and owner ~= token then return false end
  call('SET', key, token, 'PX', RECORD_LOCK_MS)
  return true
end

local function locked_by_another(job_id, token)
  local owner = call('GET', P .. 'lock:' .. job_id)
  return owner and owner ~= token
end

local function unlock(job_id, token)
  if call('GET', P .. 'lock:' .. job_id) == token then call('DEL', P .. 'lock:' .. job_id) end
end

-- The transitions between sets change the job's table; whoever calls them saves it.

local function leave(job)
  call('ZREM', P .. (job.state == 'waiting' and 'waiting:' .. job.pool or job.state), member(job))
end

-- A job that was claimed and is not any more: its record may be closed already, and only the ledger has not heard of it.
local function note_return(job)
  if job.runs and not job.returned then
    call('SADD', P .. 'returned', job.job_id)
    job.returned = true
  end
end

local function forget_return(job)
  if not job.returned then return end
  call('SREM', P .. 'returned', job.job_id)
  job.returned = nil
end

-- What a holder writes down; it sends all of it each time, so that a repeated call changes nothing.
local function note(job, journal)
  if journal and journal ~= '' then job.journal = journal end
end

-- When it was admitted, which its id says (ms).
local function admitted_ms(id) return tonumber(id:sub(1, 8) .. id:sub(10, 13), 16) end

-- `since`: when it began to wait, unless that is when it was admitted.
local function wait(job, since)
  note_return(job)
  job.since = since
  call('ZADD', P .. 'waiting:' .. job.pool, job.score, member(job))
  job.state = 'waiting'
end

local function delay(job, due)
  note_return(job)
  call('ZADD', P .. 'delayed', due, member(job))
  job.state = 'delayed'
end

local function hold(job, now, lease_ms, token)
  forget_return(job)
  if job.token ~= token then job.closing, job.starting = nil, true end
  call('ZADD', P .. 'active', math.min(now + lease_ms, job.deadline_ms), member(job))
  job.state, job.token, job.suspect, job.former = 'active', token, nil, nil
end

local function let_go(job)
  leave(job)
  job.token, job.suspect, job.former, job.closing, job.starting = nil, nil, nil, nil, nil
end

-- The time that the user named has come, or does not matter any more.
local function unschedule(job)
  if not job.scheduled then return end
  job.scheduled = nil
  if call('HINCRBY', P .. 'scheduled', job.user, -1) <= 0 then call('HDEL', P .. 'scheduled', job.user) end
end

-- Give the job the next score of its user: one round after the user's last, never before the round that is being claimed.
local function take_round(job)
  local current = tonumber(call('HGET', P .. 'pool:' .. job.pool, 'round:' .. job.priority) or 0)
  local rounds = P .. 'rounds:' .. job.pool .. ':' .. job.priority
  local round = math.max(current, tonumber(call('ZSCORE', rounds, job.user) or 0)) + 1
  call('ZADD', rounds, round, job.user)
  job.score = job.priority * TWO32 + round
end

-- A job that leaves without being claimed gives its round back when it was its user's last.
local function give_round_back(job)
  if not job.score then return end
  local rounds, round = P .. 'rounds:' .. job.pool .. ':' .. job.priority, job.score % TWO32
  if tonumber(call('ZSCORE', rounds, job.user) or 0) == round then call('ZADD', rounds, round - 1, job.user) end
end

local function charge(job)
  local usage = P .. 'usage:' .. job.user .. ':' .. job.cycle
  if call('HINCRBY', usage, job.operation, 1) == 1 then call('EXPIRE', usage, USAGE_TTL) end
  job.charged = true
end

-- Give the charge back; `unless_seeded`, only if Directus was not asked yet: its count will include the job then.
local function refund(job, unless_seeded)
  if not job.charged then return end
  local usage = P .. 'usage:' .. job.user .. ':' .. job.cycle
  local found = call('HMGET', usage, job.operation, job.operation .. ':seed')
  if unless_seeded and found[2] then return end
  if tonumber(found[1] or 0) > 0 then call('HINCRBY', usage, job.operation, -1) end
end

-- Promote delayed jobs that are due.
local function promote(now, limit)
  for _, m in ipairs(call('ZRANGEBYSCORE', P .. 'delayed', '-inf', now, 'LIMIT', 0, limit)) do
    call('ZREM', P .. 'delayed', m)
    local job = load(job_of(m))
    if job and member(job) == m then
      if not job.score then take_round(job) end  -- it takes its turn when it comes, not when it was asked for
      unschedule(job)
      wait(job, now)
      save(job)
    end
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
  return job.state == 'waiting' and (job.former == '' or (not job.runs and job.adopted))
end

-- A ticket that is to be sent on a day to come finds the marker still there.
local function mark(job, outcome, token, scheduled)
  local seconds = scheduled and SCHEDULE_TTL or DAY
  call('SET', P .. 'done:' .. job.job_id, job.id .. ' ' .. outcome .. ' ' .. token, 'EX', seconds)
end

-- Somebody wants to be told of the end: due at once. An older outcome of the job that was not told yet is news no more.
local function call_back(job, outcome, now)
  if not job.callback_url then return end
  local entry = {id = job.id, user = job.user, url = job.callback_url, outcome = outcome, body = job.body, attempts = {}}
  call('SET', P .. 'webhook:' .. job.job_id, cmsgpack.pack(entry), 'EX', WEBHOOK_TTL)
  call('ZADD', P .. 'webhooks', now, job.job_id)
end

-- The end of a job: out of the sets, counted once, marked for a day.
local function close(job, outcome, token, now)
  local scheduled = job.scheduled
  leave(job)
  forget_return(job)
  if job.state ~= 'active' then give_round_back(job) end
  unschedule(job)
  refund(job, outcome == 'completed')
  call('HINCRBY', P .. 'totals', outcome, 1)
  drop(job)
  mark(job, outcome, token, scheduled)
  call_back(job, outcome, now)
end
