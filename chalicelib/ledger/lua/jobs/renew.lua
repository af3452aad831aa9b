-- Renew leases, store progress and journals, report cancels.
--
-- ARGV  1 now   2 lease (ms)   3... for each lease: jobId, id, token, progress (0..100, or ''), phase, journal (or '')
--       phase: starting (the holder may set the record to processing) | started | cancelling | closing (the holder is about to
--         close the record, as cancelled or otherwise)
-- Returns for each: ok | cancelled (the lease is renewed) | locked (the lease is renewed; phase cancelling: the cancelling call
--         writes the record, ask again) | lost | unknown (the ledger does not know the job or its holder: adopt)
-- A cancel and a change of the record by the holder must not run at the same time, because Directus would apply both. A cancel
-- waits while the holder is starting. After `closing` it is too late to cancel. A job that was cancelled first is closed as
-- cancelled. A job that a sweep requeued and nobody claimed since is taken back, and its stall is undone.
local now, lease_ms = time_ms(ARGV[1]), tonumber(ARGV[2])

local function renew(job_id, id, token, percent, phase, journal)
  local job, done_id = look_up(job_id)
  if not job then return done_id and done_id >= id and 'lost' or 'unknown' end
  if job.id < id then return 'unknown' end
  if job.id == id and unheld(job) then return 'unknown' end  -- another ticket restored it before its holder renewed
  if job.id > id or not speaks(job, token) or now >= job.deadline_ms then return 'lost' end
  local progress = tonumber(percent)
  local moved = progress and progress ~= job.progress
  local reports = moved or journal ~= '' or phase == 'closing' or phase == 'cancelling' or (phase == 'started' and job.starting)
  if job.state == 'active' and not job.suspect and not reports then  -- usually: only the end of the lease changes
    call('ZADD', P .. 'active', math.min(now + lease_ms, job.deadline_ms), member(job))
    return job.cancel and 'cancelled' or 'ok'
  end
  if job.state == 'waiting' then
    leave(job)
    job.stalls = math.max(0, (job.stalls or 0) - 1)
  end
  hold(job, now, lease_ms, token)
  if moved then
    job.progress = progress
    call('HSET', P .. 'meta', 'progress_ms', now)
  end
  note(job, journal)
  if phase ~= 'starting' then job.starting = nil end
  if phase == 'closing' and not job.cancel then job.closing = true end
  local locked = phase == 'cancelling' and call('EXISTS', P .. 'lock:' .. job_id) == 1
  if phase == 'cancelling' and not locked then job.cancel, job.closing = true, true end
  save(job)
  if locked then return 'locked' end
  return job.cancel and 'cancelled' or 'ok'
end

local words = {}
for i = 3, #ARGV, 6 do
  table.insert(words, renew(ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4], ARGV[i + 5]))
end
return words
