-- Add parts, whose packets are in the store. Only for the lease holder of the job. A part that exists stays as it is.
--
-- ARGV  1 now   2 jobId   3 id   4 token   5 JSON [{n, weight (expected seconds), source (key), bytes, result or nil}, ...];
--       one with a result is finished: the ledger was wiped
-- Returns {ok} | {lost} | {unknown} (the ledger does not know the job or the plan)
local job, word = held_job(ARGV[2], ARGV[3], ARGV[4])
if not job then return {word} end
local plan = load_plan(job.job_id)
if not plan or plan.id ~= job.id then return {'unknown'} end
for _, given in ipairs(cjson.decode(ARGV[5])) do
  local known = load_part(job.job_id, given.n)
  if known and known.state == 'open' and known.source == '' and not known.error and given.source ~= '' then
    known.source = given.source  -- the store works again
    save_part(job.job_id, known)
  elseif not known and given.n >= 0 and given.n < plan.count then
    local part = {n = given.n, weight = given.weight, source = given.source, bytes = given.bytes, runs = 0, holders = {}}
    if given.result then
      part.state, part.result = 'finished', given.result
      plan.done = plan.done + 1
      call('RPUSH', P .. 'parts_done:' .. job.job_id, part.n .. ' ' .. part.result)
    else
      part.state = 'open'
      call('ZADD', P .. 'parts_open:' .. job.job_id, -part.weight, part.n)
    end
    save_part(job.job_id, part)
  end
end
save_plan(job.job_id, plan)
offer_parts(job, plan)
return {'ok'}
