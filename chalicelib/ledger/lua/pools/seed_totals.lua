-- Set the totals that Directus counted, once after a wipe, restart or failover.
--
-- ARGV  1 completed and 2 failed in Directus, without jobs that are open in the ledger
--       3 completed and 4 failed in the ledger when the count began: what was counted since is added
--
-- A job that failed, was retried and failed again has two outcomes and one record. So a total never decreases.
local totals = call('HMGET', P .. 'totals', 'completed', 'failed')
local function seeded(total, counted, before)
  total = tonumber(total or 0)
  return math.max(total, total + tonumber(counted) - tonumber(before))
end

if call('HSETNX', P .. 'meta', 'seeded', 1) == 0 then return {'known'} end
call('HSET', P .. 'totals',
  'completed', seeded(totals[1], ARGV[1], ARGV[3]), 'failed', seeded(totals[2], ARGV[2], ARGV[4]))
call('DEL', P .. 'trend', P .. 'trend:day')  -- these jobs did not end just now
return {'ok'}
