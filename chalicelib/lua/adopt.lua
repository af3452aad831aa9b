-- Put back jobs that the ledger has forgotten, after a flush or a rollback of the last writes.
--
-- ARGV  1 now   2 lease (ms)   3 JSON list of {job_id, id, record, token, attempts, user, operation, pool, priority, wall_ms, cycle, body}
--       record pending: waiting again; processing: active for one lease of grace, without a holder unless a token is given
-- Returns one word for each: adopted | known (the ledger has it) | lost (another holder was faster) | old (a newer admission exists)
local now = math.floor(time_us(ARGV[1]) / 1000)
local lease_ms = tonumber(ARGV[2])
local answers = {}
born(now)

-- The charge was lost with the job: Directus is asked for completed jobs only, so an open one is never in its count.
local function put_back(entry)
  local job = {job_id = entry.job_id, id = entry.id, user = entry.user, operation = entry.operation, pool = entry.pool,
    cycle = entry.cycle, deadline_ms = now + entry.wall_ms + WALL_GRACE_MS}
  job.member = member(job.id, job.job_id)
  job.score = score(job.pool, entry.priority, job.user)
  note(job, 'id', job.id, 'user', job.user, 'operation', job.operation, 'pool', job.pool, 'cycle', job.cycle,
    'score', job.score, 'wall_ms', entry.wall_ms, 'attempts', entry.attempts, 'sent_ms', now, 'adopted', 1)
  charge(job)
  redis.call('SET', key('body', job.job_id), entry.body)
  if entry.record == 'pending' then
    wait(job)
  else
    note(job, 'deadline_ms', job.deadline_ms, 'runs', 1)
    hold(job, now, lease_ms, entry.token)
  end
end

local function adopt(entry)
  local job = load(entry.job_id)
  local done_id = marker(entry.job_id)
  if done_id and done_id >= entry.id then return 'old' end
  if job and job.id > entry.id then return 'old' end
  if job and job.id == entry.id then
    if entry.token == '' or speaks(job, entry.token) then return 'known' end
    if not unheld(job) then return 'lost' end
    if job.state == 'waiting' then
      leave(job)
      job.deadline_ms = now + tonumber(job.wall_ms) + WALL_GRACE_MS
      note(job, 'deadline_ms', job.deadline_ms, 'runs', 1)
    end
    hold(job, now, lease_ms, entry.token)
    return 'adopted'
  end
  if job then  -- an admission that was rolled back over: its successor takes its place
    leave(job)
    refund(job)
    redis.call('DEL', key('job', job.job_id), key('body', job.job_id))
  end
  put_back(entry)
  return 'adopted'
end

for _, entry in ipairs(cjson.decode(ARGV[3])) do table.insert(answers, adopt(entry)) end
return answers
