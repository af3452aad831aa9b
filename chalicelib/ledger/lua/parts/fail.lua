-- Give a part back: it failed, or its worker stops.
--
-- ARGV  1 now   2 jobId   3 id   4 n   5 token   6 failed | rejected (no other attempt can succeed) | released (no attempt is
--       spent) | handed (to the lease holder of the job: no other worker takes it; no attempt is spent)   7 error
-- Returns {ok} | {lost}
local job, part, holder = held_part(ARGV[2], ARGV[3], ARGV[4], ARGV[5])
if not holder then return {'lost'} end
local plan = load_plan(job.job_id)
if ARGV[6] == 'released' or ARGV[6] == 'handed' then part.runs = part.runs - 1 end
if ARGV[6] ~= 'released' then part.error = ARGV[7] end
if ARGV[6] == 'handed' then part.source = '' end
drop_holder(part, ARGV[5])
reopen_part(job, plan, part, ARGV[6] == 'rejected')
return {'ok'}
