-- Take the lock of a record whose job is not open, or release it.
--
-- ARGV  1 jobId   2 token   3 take 1|0
-- Returns {ok} | {open}: its job is open, and its holder writes the record | {locked}: another writer has the lock
local job_id, token = ARGV[1], ARGV[2]
if ARGV[3] == '0' then
  unlock(job_id, token)
  return {'ok'}
end
if call('EXISTS', P .. 'job:' .. job_id) == 1 then return {'open'} end
return {lock(job_id, token) and 'ok' or 'locked'}
