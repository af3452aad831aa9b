-- Start the parts of a job, or go on with them. Only for the lease holder of the job.
--
-- ARGV  1 now   2 jobId   3 id   4 token   5 plan (hash of recipe and cuts)   6 recipe (key in the store)   7 engine (who can
--       run them)   8 how many parts   9 the limit of attempts   10... pools whose workers may take them
-- Returns {ok, done, n, result, n, result, ...}: the parts that are finished already
--         {lost} | {unknown} | {too many}: more than COUNT_MAX
-- A plan with another hash replaces the one before: its input or its recipe changed.
if tonumber(ARGV[8]) > COUNT_MAX then return {'too many'} end
local job, word = held_job(ARGV[2], ARGV[3], ARGV[4])
if not job then return {word} end
local plan = load_plan(job.job_id)
if not plan or plan.id ~= job.id or plan.hash ~= ARGV[5] then
  erase_parts(job)  -- also those of an older admission, which Redis may have rolled back to
  plan = {id = job.id, hash = ARGV[5], recipe = ARGV[6], engine = ARGV[7], count = tonumber(ARGV[8]), attempts = tonumber(ARGV[9]),
    done = 0, spent_ms = 0, weight = 0}
end
plan.recipe, plan.engine, plan.pools = ARGV[6], ARGV[7], {}
for i = 10, #ARGV do table.insert(plan.pools, ARGV[i]) end
save_plan(job.job_id, plan)
if not job.parts then
  job.parts = true
  save(job)
end
offer_parts(job, plan)
return {'ok', plan.done, unpack(finished_parts(job.job_id))}
