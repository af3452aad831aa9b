-- Claim the best waiting jobs of a pool: one for each ticket of a waiting job, or without tickets as many as there are tokens.
--
-- ARGV  1 now   2 pool   3 lease (ms)   4 number of tokens   5... tokens (random, from the worker), then id and jobId in each
--       ticket
-- Returns for each ticket
--         {wait}        its job waits: claimed, or to be claimed with this ticket later
--         {drop}        its job ended, or a newer admission has its own ticket
--         {hold, ms}    its job is running or delayed and may need this ticket; or the pool is paused
--         {elsewhere}   its job moved to the other pool, where it has a ticket
--         {unknown}     the ledger does not know this admission: read the record
--       and then for each claimed job, maybe another than that of a ticket
--         {id, jobId, attempt, stalls, runs, body, journal, cancel 0|1}   cancel 1: close it as cancelled, do not start it
local now = time_ms(ARGV[1])
local pool, lease_ms, tokens = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local HOLD_ACTIVE_MS = 150000  -- if its worker dies and Redis is wiped, only this ticket is left of the job
local HOLD_PAUSED_MS = 300000
local CLAIM_KEPT = 60  -- seconds; a call is repeated within them
promote(now, PROMOTED_AT_MOST)

local function verdict(id, job_id, paused)
  local job, done_id = look_up(job_id)
  if not job then return {done_id and done_id >= id and 'drop' or 'unknown'} end
  if job.id ~= id then return {job.id > id and 'drop' or 'unknown'} end
  if job.state == 'active' then return {'hold', HOLD_ACTIVE_MS} end
  if job.pool ~= pool then return {'elsewhere'} end
  if job.state == 'delayed' then return {'hold', math.max(1, call('ZSCORE', P .. 'delayed', member(job)) - now)} end
  return paused and {'hold', HOLD_PAUSED_MS} or {'wait'}
end

local answers, claims = {}, {}
local first_ticket = 5 + tokens
local most = #ARGV < first_ticket and tokens or 0
local paused = most == 0 and call('HEXISTS', P .. 'pool:' .. pool, 'paused') == 1
for i = first_ticket, #ARGV, 2 do
  local found = verdict(ARGV[i], ARGV[i + 1], paused)
  if found[1] == 'wait' then most = math.min(most + 1, tokens) end
  table.insert(answers, found)
end

if KEYS[2] then  -- the answer was lost; the jobs that it claimed must not be
  for i = 5, 4 + tokens do table.insert(claims, claimed_before(call('GET', P .. 'claim:' .. ARGV[i]), ARGV[i])) end
  if #claims > 0 then most = 0 end
end
for i = 5, 4 + most do
  local claimed = claim_best(pool, now, ARGV[i], lease_ms)
  if not claimed then break end
  call('SET', P .. 'claim:' .. ARGV[i], claimed[2], 'EX', CLAIM_KEPT)
  table.insert(claims, claimed)
end
for _, claimed in ipairs(claims) do table.insert(answers, claimed) end
return answers
