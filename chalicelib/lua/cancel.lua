-- Cancel an open job, in two steps: forbid its completion, then, once its record is failed, take it away.
--
-- ARGV  1 now   2 jobId   3 id, of the admission that is meant: the job may have been admitted anew since   4 step 1|2
-- Returns {flagged}  1: from now on no worker closes it otherwise; 2: it is, or was, running, and its holder, or the next, ends it
--         {closing}  1: its holder is closing the record this moment, and was first
--         {removed, scheduled 0|1}  2: it was waiting or delayed, and is over; 1 when it waited for a time that its user named
--         {unknown}  it is not open
local job = load(ARGV[2])
if not job or job.id ~= ARGV[3] then return {'unknown'} end
if ARGV[4] == '1' and job.closing then return {'closing'} end
if ARGV[4] == '1' or job.state == 'active' or job.runs then  -- an earlier run may have left outputs: the next claim ends it
  job.cancel = true
  save(job)
  return {'flagged'}
end
local scheduled = job.scheduled and 1 or 0
close(job, 'cancelled', '', time_ms(ARGV[1]))
return {'removed', scheduled}
