-- Set the totals from what Directus counted, once after a wipe.
--
-- ARGV  1 completed and 2 failed as Directus has them, less the jobs that the ledger still has open
--       3 completed and 4 failed as the ledger had them when the counting began: what it counted since comes on top
local totals = call('HMGET', P .. 'totals', 'completed', 'failed')
if call('HSETNX', P .. 'meta', 'seeded', 1) == 0 then return {'known'} end
call('HSET', P .. 'totals',
  'completed', tonumber(ARGV[1]) + tonumber(totals[1] or 0) - tonumber(ARGV[3]),
  'failed', tonumber(ARGV[2]) + tonumber(totals[2] or 0) - tonumber(ARGV[4]))
return {'ok'}
