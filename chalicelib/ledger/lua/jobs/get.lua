-- Return the state of jobs.
--
-- ARGV  1 now   2 whole 0|1: with envelope, journal and webhook   3... jobIds
-- Returns for each, as JSON: the fields of an open job without tokens, with at_ms (due time, or end of the lease), position (1 is
--         next), starts_ms (estimated start) and paused; id and state of a job that ended within the last day; '' if unknown
local now, whole = time_ms(ARGV[1]), ARGV[2] == '1'
local SILENT_PACES, SILENT_MS = 3, 60000

-- The estimate uses the pace of the last claims, if they are recent.
local function place(job)
  local pool = call('HMGET', P .. 'pool:' .. job.pool, 'paused', 'claimed_ms', 'pace_ms')
  job.position = call('ZRANK', P .. 'waiting:' .. job.pool, member(job)) + 1
  job.paused = pool[1] and true or false
  local claimed, pace = tonumber(pool[2] or 0), tonumber(pool[3] or 0)
  if not pool[1] and pace > 0 and now - claimed <= SILENT_PACES * pace + SILENT_MS then
    job.starts_ms = math.floor(math.max(now, claimed + job.position * pace))
  end
end

local answers = {}
for i = 3, #ARGV do
  local job, done_id, outcome = look_up(ARGV[i])
  if job and job.state == 'waiting' then
    place(job)
  elseif job then
    job.at_ms = tonumber(call('ZSCORE', P .. job.state, member(job)))
  elseif done_id then
    job = {id = done_id, state = outcome}
  end
  if job then
    job.token, job.former, job.ended, job.score = nil, nil, nil, nil
    if whole then
      local entry = unpacked(call('GET', P .. 'webhook:' .. ARGV[i]))
      job.webhook = entry and entry.id == job.id and {attempts = #entry.attempts > 0 and entry.attempts or nil, finished = entry.finished, url = entry.url} or nil
    else
      job.body, job.journal, job.callback_url = nil, nil, nil
    end
  end
  table.insert(answers, job and cjson.encode(job) or '')
end
return answers
