-- Cancel a job in two steps: flag it, so that it neither starts nor completes; then, after its record is failed, remove it.
--
-- ARGV  1 now   2 jobId   3 id of the admission ('': the ledger did not know it)   4 step 1|2   5 token of the caller
-- Returns {flagged}  1: the caller has the record lock and may write the record; workers close the job only as cancelled
--                    2: the job runs or ran, and its holder, or the next one, closes it
--         {busy}     1: ask again: the holder is starting the job or closing it as cancelled, another caller has the lock, or the
--                    ledger is too young to know. Workers close the job only as cancelled
--         {closing}  1: the holder is closing the record, and came first
--         {removed, scheduled 0|1}  2: it was waiting or delayed and has ended; 1 if it was not due yet
--         {unknown}  1: it is not open; the caller has the record lock and may write the record   2: it is not open
-- Step 2 releases the lock.
local RECOVERY_MS = 15000  -- by then every holder has restored its job after a wipe
local job_id, id, step, token = ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local now = time_ms(ARGV[1])
local job = load(job_id)
if step == '2' then unlock(job_id, token) end
if not job or job.id ~= id then
  if step == '2' then return {'unknown'} end
  if id == '' then
    born(now)
    if now - tonumber(call('HGET', P .. 'meta', 'born_ms')) < RECOVERY_MS then return {'busy'} end
  end
  return {lock(job_id, token) and 'unknown' or 'busy'}
end
if step == '1' then
  if job.closing then return {job.cancel and 'busy' or 'closing'} end
  job.cancel = true
  save(job)
  if job.state == 'active' and job.starting then return {'busy'} end
  return {lock(job_id, token) and 'flagged' or 'busy'}
end
if job.state == 'active' or job.runs then  -- an earlier run may have left outputs: the next claim closes it
  job.cancel = true
  save(job)
  return {'flagged'}
end
local scheduled = job.scheduled and 1 or 0
close(job, 'cancelled', '', now)
return {'removed', scheduled}
