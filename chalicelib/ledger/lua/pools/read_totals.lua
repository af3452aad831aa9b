-- Return what the maintenance task needs to seed the totals after a wipe.
--
-- ARGV  1 now
-- Returns {seeded 0|1, age of the ledger (ms), completed, failed, jobId of each job that runs or ran and is not closed}
--
-- After a restart or failover the last writes may be lost, and with them jobs that began and ended in that time. So the totals are
-- seeded again, as after a wipe.
local now = time_ms(ARGV[1])
born(now)
local server = call('INFO', 'server'):match('run_id:(%x+)')
local known = call('HGET', P .. 'meta', 'run_id')
if known ~= server then call('HSET', P .. 'meta', 'run_id', server) end
if known and known ~= server then
  call('HDEL', P .. 'meta', 'seeded')
  call('HSET', P .. 'meta', 'born_ms', now)
end
local meta = call('HMGET', P .. 'meta', 'seeded', 'born_ms')
local totals = call('HMGET', P .. 'totals', 'completed', 'failed')
local answer = {meta[1] and 1 or 0, now - tonumber(meta[2]), tonumber(totals[1] or 0), tonumber(totals[2] or 0)}
if meta[1] then return answer end
for _, m in ipairs(call('ZRANGE', P .. 'active', 0, -1)) do table.insert(answer, job_of(m)) end
for _, job_id in ipairs(call('SMEMBERS', P .. 'returned')) do table.insert(answer, job_id) end
return answer
