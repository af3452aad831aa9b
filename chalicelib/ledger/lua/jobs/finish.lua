-- End an attempt: the job ends, or is delayed for its backoff. Only for the holder; an outcome counts once. If the
-- job ends, claim the next one.
--
-- ARGV  1 now   2 jobId   3 id   4 token   5 outcome: completed | failed | cancelled | retry
--       6 backoff (ms, for retry)   7 summary for the history   8 length of the history
--       9 journal (or '')   10 cost of the whole job (billionths of a dollar)
--       11 token for the next job ('': claim none)   12 lease (ms)   13 1: leave the turn of jobs with parts to them
--       14... the pools of the worker, in the order in which it looks for the next job
-- Returns {ok, id, jobId, attempt, ...}   also if this call is repeated; the rest, if a job was claimed, as in claim.lua
--         {lost}     another worker holds the job
--         {unknown}  the ledger does not know the job: nothing is counted
local id, token, outcome, keep = ARGV[3], ARGV[4], ARGV[5], tonumber(ARGV[8])
local TRIM_EVERY = 20

local now = time_ms(ARGV[1])

-- Claim the next job; nil: there is none to claim, or it is not wanted.
local function claim_next()
  if ARGV[11] == '' then return nil end
  promote(now, PROMOTED_AT_MOST)
  for i = 14, #ARGV do
    local claimed = claim_best(ARGV[i], now, ARGV[11], tonumber(ARGV[12]), ARGV[13] == '1')
    if claimed then return claimed end
  end
end

local function ok(claimed) return claimed and {'ok', unpack(claimed)} or {'ok'} end

local job, done_id, _, done_token, done_next = look_up(ARGV[2])
if not job or job.id < id then
  if done_id == id then return done_token == token and ok(claimed_before(done_next, ARGV[11])) or {'lost'} end
  return {done_id and done_id > id and 'lost' or 'unknown'}
end
if job.id > id then return {'lost'} end
if outcome == 'retry' and job.ended == token then return {'ok'} end
if not speaks(job, token) then return {'lost'} end
if outcome == 'retry' then
  let_go(job)
  note(job, ARGV[9])
  delay(job, now + tonumber(ARGV[6]))
  job.attempts, job.ended = (job.attempts or 0) + 1, token
  save(job)
  return {'ok'}
end
if job.state == 'waiting' then leave(job) end  -- a sweep requeued it: the next job must be another one
local claimed = claim_next()
if tonumber(ARGV[10]) > 0 and call('HSETNX', P .. 'spent', 'since_ms', now) == 0 then  -- the first ended before since_ms
  local usage = P .. 'usage:' .. job.user .. ':' .. job.cycle
  call('HINCRBY', usage, 'nano_usd', ARGV[10])
  call('EXPIRE', usage, USAGE_TTL)
  call('HINCRBY', P .. 'spent', job.operation, ARGV[10])
end
close(job, outcome, token, now, claimed and claimed[2])
if keep > 0 then
  local history = P .. 'history:' .. outcome
  if call('LPUSH', history, ARGV[7]) >= keep + TRIM_EVERY then call('LTRIM', history, 0, keep - 1) end
end
return ok(claimed)
