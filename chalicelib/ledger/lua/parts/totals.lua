-- Count parts: of the running jobs, and since the last wipe.
--
-- ARGV  1 the limit of jobs   2... the pools
-- Returns {jobs with parts to take, open parts, running parts, finished parts, repeated runs}
local jobs, open, held = {}, 0, 0
for i = 2, #ARGV do
  for _, m in ipairs(call('ZRANGE', P .. 'offered:' .. ARGV[i], 0, tonumber(ARGV[1]) - 1)) do jobs[job_of(m)] = true end
end
local count = 0
for job_id in pairs(jobs) do
  count = count + 1
  open = open + call('ZCARD', P .. 'parts_open:' .. job_id)
  held = held + call('ZCARD', P .. 'parts_held:' .. job_id)
end
local totals = call('HMGET', P .. 'parts_totals', 'finished', 'repeated')
return {count, open, held, tonumber(totals[1] or 0), tonumber(totals[2] or 0)}
