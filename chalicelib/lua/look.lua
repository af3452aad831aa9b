-- Look at one job.
--
-- ARGV  1 jobId
-- Returns {open, JSON of what the job notes, its tokens apart, and when it is due or its lease ends as at_ms}
--         {over, id, outcome}   it ended within the last day
--         {unknown}
local job, done_id, outcome = look_up(ARGV[1])
if not job then
  if done_id then return {'over', done_id, outcome} end
  return {'unknown'}
end
if job.state ~= 'waiting' then job.at_ms = tonumber(call('ZSCORE', P .. job.state, member(job))) end
job.token, job.former, job.ended, job.score = nil, nil, nil, nil
return {'open', cjson.encode(job)}
