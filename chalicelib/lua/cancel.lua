-- Cancel an open job. The record was set to failed before, so a worker that claims it all the same gives up.
--
-- ARGV  1 jobId   2 id, of the admission that is meant: the job may have been admitted anew since
-- Returns {removed, scheduled 0|1}  it was waiting or delayed, and is over; 1 when it waited for a time that its user named
--         {flagged}  it is running; its holder hears of it with the next renewal
--         {unknown}  it is not open
local job = load(ARGV[1])
if not job or job.id ~= ARGV[2] then return {'unknown'} end
if job.state == 'active' then
  job.cancel = true
  save(job)
  return {'flagged'}
end
local scheduled = job.scheduled and 1 or 0
close(job, 'cancelled', '')
return {'removed', scheduled}
