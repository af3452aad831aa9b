-- Undo an admission whose ticket could not be sent.
--
-- ARGV  1 now   2 jobId   3 id   4 token: the caller has to set the record back to failed and gets its lock ('': it has not)
-- Returns {retracted}  the admission is undone
--         {shared}     another caller asked for the job too: it stays, and the next caller or the maintenance task sends its ticket
--         {kept}       a worker claimed it: it stays, and needs no ticket
local job, done_id, outcome = look_up(ARGV[2])
if not job or job.id ~= ARGV[3] then
  return {done_id == ARGV[3] and outcome ~= 'retracted' and 'kept' or 'retracted'}
end
if job.state == 'active' or job.runs then return {'kept'} end
if job.shared then
  job.sent_ms = 0
  save(job)
  return {'shared'}
end
local scheduled = job.scheduled
leave(job)
give_round_back(job)
unschedule(job)
refund(job)
drop(job)
if ARGV[4] ~= '' then lock(ARGV[2], ARGV[4]) end
-- The ticket may have been sent, with only the answer lost. It is dropped then, since the caller got an error.
mark(job, 'retracted', '', scheduled)
return {'retracted'}
