-- Cancel a job, in two steps: forbid its start and its completion, then, once its record is failed, take it away.
--
-- ARGV  1 now   2 jobId   3 id, of the admission that is meant ('': the ledger knew of none)   4 step 1|2   5 token of the caller
-- Returns {flagged}  1: the caller may write the record, and has its lock; no worker closes it otherwise
--                    2: it is, or was, running, and its holder, or the next, ends it
--         {busy}     1: ask again, for somebody may be writing the record this moment: its holder sets it to processing or
--                    closes it as cancelled, or another caller has the lock, or the ledger is too young to know;
--                    no worker closes it otherwise
--         {closing}  1: its holder is closing the record this moment, and was first
--         {removed, scheduled 0|1}  2: it was waiting or delayed, and is over; 1 when it waited for a time that its user named
--         {unknown}  1: it is not open; the caller may write the record, and has its lock   2: it is not open
-- Step 2 gives the lock back.
local RECOVERY_MS = 15000  -- a holder whose job was wiped has put it back by then
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
if job.state == 'active' or job.runs then  -- an earlier run may have left outputs: the next claim ends it
  job.cancel = true
  save(job)
  return {'flagged'}
end
local scheduled = job.scheduled and 1 or 0
close(job, 'cancelled', '', now)
return {'removed', scheduled}
