-- Tell the lease holder of a job how its parts stand.
--
-- ARGV  1 now   2 jobId   3 id   4 token   5 how many finished parts it knows
-- Returns {ok, finished, open, held, error, n, result, ...}: the parts that finished since
--         {lost} | {unknown} (the ledger does not know the job or the plan)
local job, word = held_job(ARGV[2], ARGV[3], ARGV[4])
if not job then return {word} end
local plan = load_plan(job.job_id)
if not plan or plan.id ~= job.id then return {'unknown'} end
expire_parts(job, plan, time_ms(ARGV[1]))
local id = job.job_id
return {'ok', plan.done, call('ZCARD', P .. 'parts_open:' .. id), call('ZCARD', P .. 'parts_held:' .. id), plan.error or '',
  unpack(finished_parts(id, tonumber(ARGV[5])))}
