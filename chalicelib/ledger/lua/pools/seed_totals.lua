-- Set the totals from what Directus counted, once after a wipe, a restart or a failover.
--
-- ARGV  1 completed and 2 failed as Directus has them, less the jobs that the ledger still has open
--       3 completed and 4 failed as the ledger had them when the counting began: what it counted since comes on top
--
-- A job that failed, was retried and failed again is two outcomes and one record: a total never falls for that.
local totals = call('HMGET', P .. 'totals', 'completed', 'failed')
local function seeded(total, counted, before)
  total = tonumber(total or 0)
  return math.max(total, total + tonumber(counted) - tonumber(before))
end

if call('HSETNX', P .. 'meta', 'seeded', 1) == 0 then return {'known'} end
call('HSET', P .. 'totals',
  'completed', seeded(totals[1], ARGV[1], ARGV[3]), 'failed', seeded(totals[2], ARGV[2], ARGV[4]))
call('DEL', P .. 'trend')  -- these did not end just now
return {'ok'}
