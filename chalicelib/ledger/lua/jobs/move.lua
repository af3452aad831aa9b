-- Move a job to the other pool. No attempt is spent. Its new ticket is sent before this call.
--
-- ARGV  1 now   2 jobId   3 id   4 token   5 pool   6 body (the envelope names the pool too)
--       7 journal (or '')
-- Returns {ok} (also if this call is repeated) | {lost} | {unknown}
local job = load(ARGV[2])
if not job or job.id < ARGV[3] then return {'unknown'} end
if job.id == ARGV[3] and job.ended == ARGV[4] then return {'ok'} end
if job.id > ARGV[3] or not speaks(job, ARGV[4]) then return {'lost'} end
let_go(job)
note(job, ARGV[7])
job.ended, job.pool, job.body = ARGV[4], ARGV[5], ARGV[6]
take_round(job)
wait(job, time_ms(ARGV[1]))
save(job)
return {'ok'}
