-- Hop to the other pool, no attempt spent. Its new ticket goes out first.
--
-- ARGV  1 now   2 jobId   3 id   4 token   5 pool   6 body (the envelope says the pool too)
-- Returns {ok} | {lost} | {unknown}
local job = load(ARGV[2])
if not job or job.id < ARGV[3] then return {'unknown'} end
if job.id > ARGV[3] or not speaks(job, ARGV[4]) then return {'lost'} end
leave(job)
forget(job, 'token', 'suspect', 'former')
job.pool = ARGV[5]
job.score = score(job.pool, math.floor(tonumber(job.score) / TWO32), job.user)
note(job, 'pool', job.pool, 'score', job.score)
redis.call('SET', key('body', job.job_id), ARGV[6])
wait(job)
return {'ok'}
