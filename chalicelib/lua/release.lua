-- Give a job back unharmed: waiting again, at once or not before a delay; no attempt and no stall is spent.
--
-- ARGV  1 now   2 jobId   3 id   4 token   5 delay (ms)
-- Returns {ok} | {lost} | {unknown}
local now = math.floor(time_us(ARGV[1]) / 1000)
local job = load(ARGV[2])
if not job or job.id < ARGV[3] then return {'unknown'} end
if job.id > ARGV[3] or not speaks(job, ARGV[4]) then return {'lost'} end
leave(job)
forget(job, 'token', 'suspect', 'former')
if tonumber(ARGV[5]) > 0 then delay(job, now + tonumber(ARGV[5])) else wait(job) end
return {'ok'}
