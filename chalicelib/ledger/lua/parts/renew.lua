-- Renew the lease of a part.
--
-- ARGV  1 now   2 jobId   3 id   4 n   5 token   6 lease (ms)
-- Returns {ok} | {lost}: another worker finished the part, its lease ended, or its job stopped
local now = time_ms(ARGV[1])
local job, part, holder = held_part(ARGV[2], ARGV[3], ARGV[4], ARGV[5])
if not holder then return {'lost'} end
holder.till = now + tonumber(ARGV[6])
save_held(job.job_id, part)
return {'ok'}
