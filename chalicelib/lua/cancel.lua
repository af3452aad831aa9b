-- Cancel an open job. The record was set to failed before, so a worker that claims it all the same gives up.
--
-- ARGV  1 now   2 jobId
-- Returns {removed}  it was waiting or delayed, and is over
--         {flagged}  it is running; its holder hears of it with the next renewal
--         {unknown}  it is not open
local job = load(ARGV[2])
if not job then return {'unknown'} end
if job.state == 'active' then
  job.cancel = true
  save(job)
  return {'flagged'}
end
close(job, 'cancelled', '')
return {'removed'}
