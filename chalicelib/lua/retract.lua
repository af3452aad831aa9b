-- Undo an admission whose ticket could not be sent.
--
-- ARGV  1 now   2 jobId   3 id
-- Returns {retracted}  as if it had never been
--         {shared}     another caller asked for it too: it stays for them, and the next caller, or the keeper, sends its ticket
--         {kept}       somebody claimed it: it stays, and needs no ticket
local job = load(ARGV[2])
if not job or job.id ~= ARGV[3] then return {marker(ARGV[2]) == ARGV[3] and 'kept' or 'retracted'} end
if job.state == 'active' or job.runs then return {'kept'} end
if job.shared then
  note(job, 'sent_ms', 0)
  return {'shared'}
end
leave(job)
give_round_back(job)
refund(job)
redis.call('DEL', key('job', job.job_id), key('body', job.job_id))
return {'retracted'}
