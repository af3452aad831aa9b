-- Renew a lease, store progress and journal, report a cancel.
--
-- ARGV  1 now   2 jobId   3 id   4 token   5 lease (ms)   6 progress (0..100, or '')
--       7 phase: starting (the holder may set the record to processing) | started | cancelling | closing (the holder is about
--         to close the record, as cancelled or otherwise)   8 journal (or '')
-- Returns {ok} | {cancelled} (the lease is renewed) | {locked} (the lease is renewed; phase cancelling: the cancelling call
--         writes the record, ask again) | {lost} | {unknown} (the ledger does not know the job or its holder: adopt)
-- A cancel and a change of the record by the holder must not run at the same time, because Directus would apply both. A cancel
-- waits while the holder is starting. After `closing` it is too late to cancel. A job that was cancelled first is closed as
-- cancelled. A job that a sweep requeued and nobody claimed since is taken back, and its stall is undone.
local now = time_ms(ARGV[1])
local id, token = ARGV[3], ARGV[4]
local job, done_id = look_up(ARGV[2])
if not job then return {done_id and done_id >= id and 'lost' or 'unknown'} end
if job.id < id then return {'unknown'} end
if job.id == id and unheld(job) then return {'unknown'} end  -- another ticket restored it before its holder renewed
if job.id > id or not speaks(job, token) or now >= job.deadline_ms then return {'lost'} end
if job.state == 'waiting' then
  leave(job)
  job.stalls = math.max(0, (job.stalls or 0) - 1)
end
hold(job, now, tonumber(ARGV[5]), token)
local progress = tonumber(ARGV[6])
if progress and progress ~= job.progress then
  job.progress = progress
  call('HSET', P .. 'meta', 'progress_ms', now)
end
note(job, ARGV[8])
if ARGV[7] ~= 'starting' then job.starting = nil end
if ARGV[7] == 'closing' and not job.cancel then job.closing = true end
local locked = ARGV[7] == 'cancelling' and call('EXISTS', P .. 'lock:' .. ARGV[2]) == 1
if ARGV[7] == 'cancelling' and not locked then job.cancel, job.closing = true, true end
save(job)
if locked then return {'locked'} end
return {job.cancel and 'cancelled' or 'ok'}
