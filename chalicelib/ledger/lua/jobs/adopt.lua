-- Restore jobs that the ledger lost in a wipe or a rollback.
--
-- ARGV  1 now   2 lease (ms)
--       3 JSON list of {job_id, id, record, token, attempts, user, operation, pool, priority, wall_ms, cycle, body, callback_url}
--       record pending: waiting again; processing: active for one lease, without a holder unless a token is given
-- Returns for each: adopted | known (the ledger has it) | lost (another holder was faster) | old (a newer admission exists)
local now = time_ms(ARGV[1])
local lease_ms = tonumber(ARGV[2])
local answers = {}
born(now)

local function hold_again(job, token)
  job.deadline_ms, job.runs = now + job.wall_ms + WALL_GRACE_MS, 1
  hold(job, now, lease_ms, token)
end

-- The charge was lost with the job. Directus counts completed jobs only, so it is not in that count.
local function put_back(entry)
  local job = {
    id = entry.id, job_id = entry.job_id, user = entry.user, operation = entry.operation, pool = entry.pool, cycle = entry.cycle,
    priority = entry.priority, wall_ms = entry.wall_ms, sent_ms = now, body = entry.body, attempts = entry.attempts, adopted = true,
    callback_url = entry.callback_url ~= '' and entry.callback_url or nil,
  }
  take_round(job)
  charge(job)
  -- A cancel is in progress: no worker may start the job.
  job.cancel = locked_by_another(entry.job_id, '') and true or nil
  if entry.record == 'pending' then wait(job, now) else hold_again(job, entry.token) end
  save(job)
end

local function adopt(entry)
  local job, done_id = look_up(entry.job_id)
  if done_id and done_id >= entry.id then return 'old' end
  if job and job.id > entry.id then return 'old' end
  if job and job.id == entry.id then
    if entry.token == '' or speaks(job, entry.token) then return 'known' end
    if not unheld(job) then return 'lost' end
    if job.state == 'waiting' then
      leave(job)
      hold_again(job, entry.token)
    else
      hold(job, now, lease_ms, entry.token)
    end
    save(job)
    return 'adopted'
  end
  if job then  -- an older admission came back in a rollback: replace it
    leave(job)
    if job.parts then erase_parts(job) end
    forget_return(job)
    unschedule(job)
    refund(job)
  end
  put_back(entry)
  return 'adopted'
end

for _, entry in ipairs(cjson.decode(ARGV[3])) do table.insert(answers, adopt(entry)) end
return answers
