-- What all scripts share. It is put in front of each script when it is loaded. Uses only commands of Redis 6.2.
--
-- KEYS[1] is the prefix, a hash tag such as {mediaq}, so that all keys are in one slot. KEYS[2] is present if the call is
-- repeated because its answer was lost.
--
--   <p>:job:<jobId>        string an open job, as MessagePack: its envelope, its state, and the fields below
--   <p>:claim:<token>      string jobId of a job that was claimed with a ticket, or by looking: for a repeated call, for a minute
--   <p>:done:<jobId>       string the marker "<id> <outcome> <token>/<next>" of a job that ended or was retracted, for one day;
--                          next: jobId of the job that its worker claimed in the same call
--   <p>:waiting:<pool>     zset   score priority * 2^32 + round, member <id>:<jobId>; equal scores are first in, first out
--   <p>:delayed            zset   score due time (ms), same members
--   <p>:active             zset   score end of the lease (ms), same members
--   <p>:rounds:<pool>:<priority>  zset  user -> round of the last admitted job
--   <p>:pool:<pool>        hash   round:<priority> (last claimed, never decreases), claimed_ms, pace_ms (smoothed time between
--                          two claims while jobs waited), wake_ms, sweep_ms, paused
--   <p>:returned           set    jobId of open jobs that were claimed and have no holder now
--   <p>:scheduled          hash   user -> number of jobs with a `delay` or `run_at` that are not due
--   <p>:totals             hash   completed, failed, cancelled
--   <p>:history:completed  list   summaries, newest first, about 100; history:failed about 1000
--   <p>:usage:<user>:<cycle> hash <operation> charged here, <operation>:seed counted by Directus; nano_usd and nano_usd:seed: the
--                          cost of the jobs that ended since since_ms, and before
--   <p>:spent              hash   since_ms (when the costs were first counted), operation -> cost of the jobs that ended since
--                          (billionths of a dollar)
--   <p>:meta               hash   born_ms (first write after a wipe or restart), run_id (of the server), seeded, last_us (of
--                          the last id), observed_ms, progress_ms (when a running job last made progress), ended and ended_ms (how many
--                          jobs have ended, and when that was seen)
--   <p>:estimates          hash   cursor (the beginning of the last summary that was learned), "<quantity>|<kind>" -> model, as JSON
--   <p>:trend              list   "<ms> <completed> <failed> <waiting> <active>", one per observation, for the failure window
--   <p>:trend:day          list   the same, one a minute, of the last 24 hours
--   <p>:webhooks           zset   score due time (ms), member jobId: webhook events to deliver
--   <p>:webhook:<jobId>    string the last event of the job, as MessagePack: id, user, url, outcome, attempts, body; finished
--                          instead of body after the last attempt, for one day
--   <p>:webhook_backoff    hash   user -> until when none of their webhooks is sent (ms)
--   <p>:lock:<jobId>       string token of the writer, besides the lease holder, that may change the status of the record, for
--                          RECORD_LOCK_MS: see docs/adr/0020-record-locks.md
--   <p>:workers            hash   worker -> "<ms> <JSON>": its last heartbeat
--   <p>:alarms             hash   alarm -> "<ms since the condition is true> <ms when it turned on, or 0>"
--   <p>:taxonomy           hash   generation, size, hits, misses;  <p>:taxonomy:<generation> string the terms
--
-- A job: id, job_id, user, operation, pool, cycle, priority, score, wall_ms, sent_ms (last ticket), body, and
--   state waiting | delayed | active, attempts (failed), stalls, runs (claims), parts (it has some), charged, shared (requested by two callers),
--   returned (see above), scheduled (not due yet), adopted (restored after a wipe), cancel (requested), starting (its holder
--   may still set the record to processing), closing (its holder closes the record now), progress, token (of its holder),
--   former (token of the holder before a sweep), ended (token of the last release), suspect (its lease expired once),
--   deadline_ms (end of every lease), since (waiting since, if not since its admission), callback_url, journal (opaque JSON)

if redis.replicate_commands then redis.replicate_commands() end  -- Redis 6.2 requires it before a write after TIME

local P = KEYS[1] .. ':'
local DAY = 86400
local USAGE_TTL = 40 * DAY
local SCHEDULE_TTL = 8 * DAY
local UNDELIVERED_MS = 15000
local WEBHOOK_TTL = 2 * DAY  -- the last attempt is within hours
local TWO32 = 4294967296
local TICKET_AGAIN_MS = 60000
local RESEND_MAX_MS = 900000
local RECORD_LOCK_MS = 15000  -- longer than a call to Directus can take
local WALL_GRACE_MS = 120000  -- after the time limit, to close the record
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
local function member(job) return job.id .. ':' .. job.job_id end
local function job_of(m) return m:sub(38) end

-- The parts of a job: see parts/lib.lua.
local function withdraw_parts(job)
  for _, pool in ipairs({'lambda', 'container'}) do call('ZREM', P .. 'offered:' .. pool, member(job)) end
end

local function erase_parts(job)
  withdraw_parts(job)
  for _, kind in ipairs({'parts:', 'parts_open:', 'parts_held:', 'parts_late:', 'parts_done:'}) do
    call('DEL', P .. kind .. job.job_id)
  end
end

local function drop(job)
  if job.parts then erase_parts(job) end
  call('DEL', P .. 'job:' .. job.job_id)
end

-- id, outcome, token, next of a finished marker, or nil.
local function parsed(done)
  if not done then return nil end
  return done:match('^(%S+) (%S+) ?([^%s/]*)/?(%S*)$')
end

-- The open job, and id, outcome, token, next of the finished marker.
local function look_up(job_id)
  local found = call('MGET', P .. 'job:' .. job_id, P .. 'done:' .. job_id)
  return unpacked(found[1]), parsed(found[2])
end

-- Take the record lock. It excludes other writers than the lease holder: cancel, reopen, reject. True: `token` has it.
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

-- The functions below change the job's table; the caller saves it.

local function leave(job)
  call('ZREM', P .. (job.state == 'waiting' and 'waiting:' .. job.pool or job.state), member(job))
end

-- A job that was claimed and has no holder now: its record may be closed already, without the ledger knowing.
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

-- Store the journal of the holder. It is always complete, so that a repeated call changes nothing.
local function note(job, journal)
  if journal and journal ~= '' then job.journal = journal end
end

-- The time of admission, from the id (ms).
local function admitted_ms(id) return tonumber(id:sub(1, 8) .. id:sub(10, 13), 16) end

-- `since`: when it began to wait, if not at its admission.
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

-- The job is due, or has ended.
local function unschedule(job)
  if not job.scheduled then return end
  job.scheduled = nil
  if call('HINCRBY', P .. 'scheduled', job.user, -1) <= 0 then call('HDEL', P .. 'scheduled', job.user) end
end

-- The next round of a user: one after the user's last, never before the round claimed last.
local function next_round(pool, priority, user)
  local current = tonumber(call('HGET', P .. 'pool:' .. pool, 'round:' .. priority) or 0)
  return math.max(current, tonumber(call('ZSCORE', P .. 'rounds:' .. pool .. ':' .. priority, user) or 0)) + 1
end

-- Take that round, and return its score.
local function next_score(pool, priority, user)
  local rounds = P .. 'rounds:' .. pool .. ':' .. priority
  local current = tonumber(call('HGET', P .. 'pool:' .. pool, 'round:' .. priority) or 0)
  local round = tonumber(call('ZADD', rounds, 'INCR', 1, user))
  if round <= current then
    round = current + 1
    call('ZADD', rounds, round, user)
  end
  return priority * TWO32 + round
end

local function take_round(job) job.score = next_score(job.pool, job.priority, job.user) end

-- A job that leaves without a claim gives its round back, if it was the last of its user.
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

-- Refund the charge; `unless_seeded`: only if Directus has not counted yet, because its count will include the job.
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
      if not job.score then take_round(job) end  -- the round is that of the due time, not of the admission
      unschedule(job)
      wait(job, now)
      save(job)
    end
  end
end

-- True if `token` may act for the job: it holds the lease, or lost it to a sweep and nobody has claimed the job since.
local function speaks(job, token)
  if job.state == 'active' then return job.token == token end
  return job.state == 'waiting' and job.former == token and token ~= ''
end

-- True for a job that was restored after a wipe and that no holder has renewed yet.
local function unheld(job)
  if job.state == 'active' then return job.token == '' end
  return job.state == 'waiting' and (job.former == '' or (not job.runs and job.adopted))
end

-- The marker outlives a scheduled ticket.
local function mark(job, outcome, token, scheduled, following)
  local seconds = scheduled and SCHEDULE_TTL or DAY
  call('SET', P .. 'done:' .. job.job_id, job.id .. ' ' .. outcome .. ' ' .. token .. '/' .. (following or ''), 'EX', seconds)
end

-- Store the webhook event, due at once. It replaces an undelivered event of an older run.
local function add_webhook(job, outcome, now)
  if not job.callback_url then return end
  local entry = {id = job.id, user = job.user, url = job.callback_url, outcome = outcome, body = job.body, attempts = {}}
  call('SET', P .. 'webhook:' .. job.job_id, cmsgpack.pack(entry), 'EX', WEBHOOK_TTL)
  call('ZADD', P .. 'webhooks', now, job.job_id)
end

-- End a job: remove it from the sets, count it once, mark it for a day. `following`: jobId that its worker claims with it.
local function close(job, outcome, token, now, following)
  local scheduled = job.scheduled
  leave(job)
  forget_return(job)
  if job.state ~= 'active' then give_round_back(job) end
  unschedule(job)
  refund(job, outcome == 'completed')
  call('HINCRBY', P .. 'totals', outcome, 1)
  drop(job)
  mark(job, outcome, token, scheduled, following)
  add_webhook(job, outcome, now)
end
