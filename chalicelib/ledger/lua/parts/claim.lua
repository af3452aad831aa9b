-- Claim the part with the most work: of one job, for its lease holder, or of the job whose turn it is in a pool.
--
-- ARGV  1 now   2 pool, or '' for the lease holder   3 jobId and 4 id and 5 token of the job, or ''   6 token of the part
--       7 lease (ms)   8 engine   9 worker   10 the largest source (bytes)   11 the longest part (s)
-- Returns {part, jobId, id, n, run, recipe, source, bytes, weight, traceparent of the job ('': none)}
--         {none}    nothing to take
--         {yield}   a whole job waits whose turn is earlier
--         {lost} | {unknown}  for the lease holder
-- Jobs with parts stand in the order of their pool: each part takes the next round of its user, as a whole job would. A part that
-- runs for twice its expected time is started a second time; the first to finish wins.
local now = time_ms(ARGV[1])
local pool, token, lease_ms = ARGV[2], ARGV[6], tonumber(ARGV[7])
local JOBS_LOOKED_AT, PARTS_LOOKED_AT = 50, 50
local CLAIM_KEPT = 60  -- seconds; a call is repeated within them

local function fits(part)
  if pool ~= '' and part.source == '' then return false end  -- it is not in the store
  return (part.bytes or 0) <= tonumber(ARGV[10]) and part.weight <= tonumber(ARGV[11])
end

-- Another worker than the holders: theirs is the slow one.
local function elsewhere(part)
  for _, holder in ipairs(part.holders) do
    if holder.worker == ARGV[9] then return false end
  end
  return true
end

local function straggler(job, plan)
  for _, n in ipairs(call('ZRANGEBYSCORE', P .. 'parts_late:' .. job.job_id, '-inf', now, 'LIMIT', 0, PARTS_LOOKED_AT)) do
    local part = load_part(job.job_id, n)
    if part and fits(part) and elsewhere(part) and part.runs < 2 * plan.attempts then
      call('ZREM', P .. 'parts_late:' .. job.job_id, n)
      return part
    end
  end
end

local function answer(job, plan, part)
  return {'part', job.job_id, job.id, part.n, part.runs, plan.recipe, part.source, part.bytes or 0, tostring(part.weight),
    job.body:match('"traceparent":"([%x-]+)"') or ''}
end

local function take(job, plan)
  expire_parts(job, plan, now)
  if plan.error then return nil end
  local part
  for _, n in ipairs(call('ZRANGE', P .. 'parts_open:' .. job.job_id, 0, PARTS_LOOKED_AT - 1)) do
    part = load_part(job.job_id, n)
    if fits(part) then break end
    part = nil
  end
  if part then
    local pace = plan.weight > 0 and plan.spent_ms / plan.weight or 1000
    call('ZADD', P .. 'parts_late:' .. job.job_id, now + math.max(LATE_MS, 2 * pace * part.weight), part.n)
  else
    part = straggler(job, plan)
  end
  if not part then return nil end
  call('ZREM', P .. 'parts_open:' .. job.job_id, part.n)
  part.state, part.runs = 'active', part.runs + 1
  if part.runs > 1 then call('HINCRBY', P .. 'parts_totals', 'repeated', 1) end
  table.insert(part.holders, {token = token, worker = ARGV[9], since = now, till = now + lease_ms})
  save_held(job.job_id, part)
  return answer(job, plan, part)
end

-- The answer was lost; the part that it claimed must not be.
local function taken(job, plan)
  for _, n in ipairs(call('ZRANGE', P .. 'parts_held:' .. job.job_id, 0, -1)) do
    local part = load_part(job.job_id, n)
    for _, holder in ipairs(part.holders) do
      if holder.token == token then return answer(job, plan, part) end
    end
  end
end

if pool == '' then
  local job, word = held_job(ARGV[3], ARGV[4], ARGV[5])
  if not job then return {word} end
  local plan = load_plan(job.job_id)
  if not plan or plan.id ~= job.id then return {'unknown'} end
  return KEYS[2] and taken(job, plan) or take(job, plan) or {'none'}
end

if call('HEXISTS', P .. 'pool:' .. pool, 'paused') == 1 then return {'none'} end
local before = KEYS[2] and call('GET', P .. 'part_claim:' .. token)
local claimed_of = before and load(before)
local plan_of = claimed_of and load_plan(before)
local again = plan_of and taken(claimed_of, plan_of)
if again then return again end
local waiting = call('ZRANGE', P .. 'waiting:' .. pool, 0, 0, 'WITHSCORES')[2]
local offered = P .. 'offered:' .. pool
local found = call('ZRANGE', offered, 0, JOBS_LOOKED_AT - 1, 'WITHSCORES')
for i = 1, #found, 2 do
  local job = load(job_of(found[i]))
  local plan = job and member(job) == found[i] and load_plan(job.job_id)
  if not plan then
    call('ZREM', offered, found[i])
  elseif job.state == 'active' and not job.cancel and plan.engine == ARGV[8] then
    if waiting and tonumber(waiting) <= tonumber(found[i + 1]) then return {'yield'} end
    local claimed = take(job, plan)
    if claimed then
      call('SET', P .. 'part_claim:' .. token, job.job_id, 'EX', CLAIM_KEPT)
      local round = tonumber(found[i + 1]) % TWO32
      if round > tonumber(call('HGET', P .. 'pool:' .. pool, 'round:' .. job.priority) or 0) then
        call('HSET', P .. 'pool:' .. pool, 'round:' .. job.priority, round)
      end
      call('ZADD', offered, next_score(pool, job.priority, job.user), found[i])
      return claimed
    end
  end
end
return {'none'}
