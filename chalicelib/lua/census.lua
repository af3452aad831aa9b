-- What the keeper needs to seed the totals after a wipe.
--
-- ARGV  1 now
-- Returns {seeded 0|1, age of the ledger (ms), completed, failed, jobId of an active job...}
local now = math.floor(time_us(ARGV[1]) / 1000)
born(now)
local meta = redis.call('HMGET', key('meta'), 'seeded', 'born_ms')
local totals = redis.call('HMGET', key('totals'), 'completed', 'failed')
local answer = {meta[1] and 1 or 0, now - tonumber(meta[2]), tonumber(totals[1]) or 0, tonumber(totals[2]) or 0}
if meta[1] then return answer end
for _, m in ipairs(redis.call('ZRANGE', key('active'), 0, -1)) do table.insert(answer, job_of(m)) end
return answer
