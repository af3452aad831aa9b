-- Return a job to its queue, at once or after a delay. No attempt and no stall is spent.
--
-- ARGV  1 now   2 jobId   3 id   4 token   5 delay (ms)   6 journal (or '')
-- Returns {ok, 1: the job may have no ticket 0|1} (also if this call is repeated) | {lost} | {unknown}
local delay_ms = tonumber(ARGV[5])
local job = load(ARGV[2])
if not job or job.id < ARGV[3] then return {'unknown'} end
if job.id == ARGV[3] and job.ended == ARGV[4] then return {'ok', 1} end
if job.id > ARGV[3] or not speaks(job, ARGV[4]) then return {'lost'} end
let_go(job)
note(job, ARGV[6])
job.ended = ARGV[4]
local now = time_ms(ARGV[1])
local unsure = now - job.sent_ms >= RESEND_MAX_MS
if unsure then job.sent_ms = now end
if delay_ms > 0 then delay(job, now + delay_ms) else wait(job, now) end
save(job)
return {'ok', unsure and 1 or 0}
