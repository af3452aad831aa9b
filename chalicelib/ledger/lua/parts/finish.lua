-- Finish a part. The first holder that finishes it wins.
--
-- ARGV  1 now   2 jobId   3 id   4 n   5 token   6 result (key in the store)   7 bytes   8 decode errors   9 processor time (ms)
-- Returns {ok} (also if this call is repeated) | {lost}
local now = time_ms(ARGV[1])
local job, part, holder = held_part(ARGV[2], ARGV[3], ARGV[4], ARGV[5])
if not holder then
  local finished = part and part.state == 'finished' and part.ended == ARGV[5]
  return {finished and 'ok' or 'lost'}
end
local plan = load_plan(job.job_id)
part.state, part.result, part.ended, part.holders = 'finished', ARGV[6], ARGV[5], {}
part.result_bytes, part.errors, part.cpu_ms = tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9])
part.worker, part.since, part.took_ms = holder.worker, holder.since, now - holder.since
plan.done, plan.spent_ms, plan.weight = plan.done + 1, plan.spent_ms + part.took_ms, plan.weight + part.weight
save_part(job.job_id, part)
save_plan(job.job_id, plan)
for _, set in ipairs({'parts_held:', 'parts_late:', 'parts_open:'}) do call('ZREM', P .. set .. job.job_id, part.n) end
call('RPUSH', P .. 'parts_done:' .. job.job_id, part.n .. ' ' .. part.result)
call('HINCRBY', P .. 'parts_totals', 'finished', 1)
if plan.done >= plan.count then withdraw_parts(job) end
return {'ok'}
