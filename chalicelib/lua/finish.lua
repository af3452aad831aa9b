-- End an attempt: the job is over, or comes back after its backoff. Only for the holder; an outcome is counted once.
--
-- ARGV  1 now   2 jobId   3 id   4 token   5 outcome: completed | failed | cancelled | retry
--       6 delay (ms, of a retry)   7 summary for the history   8 length of the history
-- Returns {ok}       also when this very call is repeated
--         {lost}     somebody else speaks for the job
--         {unknown}  the ledger has forgotten the job: nothing is counted
local now = math.floor(time_us(ARGV[1]) / 1000)
local id, token, outcome = ARGV[3], ARGV[4], ARGV[5]
local job = load(ARGV[2])
if not job or job.id < id then
  local done_id, _, done_token = marker(ARGV[2])
  if done_id == id then return {done_token == token and 'ok' or 'lost'} end
  if done_id and done_id > id then return {'lost'} end
  return {'unknown'}
end
if job.id > id then return {'lost'} end
if outcome == 'retry' and job.ended == token then return {'ok'} end
if not speaks(job, token) then return {'lost'} end
if outcome == 'retry' then
  leave(job)
  delay(job, now + tonumber(ARGV[6]))
  note(job, 'attempts', tonumber(job.attempts or 0) + 1, 'ended', token)
  forget(job, 'token', 'suspect', 'former')
  return {'ok'}
end
close(job, outcome, token)
if outcome ~= 'cancelled' then
  redis.call('LPUSH', key('history', outcome), ARGV[7])
  redis.call('LTRIM', key('history', outcome), 0, tonumber(ARGV[8]) - 1)
end
return {'ok'}
