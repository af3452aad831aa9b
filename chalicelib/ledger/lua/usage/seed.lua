-- Store the count of Directus for a user, operation and cycle, unless it is stored already.
--
-- ARGV  1 user   2 cycle   3 operation   4 count
local usage = P .. 'usage:' .. ARGV[1] .. ':' .. ARGV[2]
call('HSETNX', usage, ARGV[3] .. ':seed', ARGV[4])
call('EXPIRE', usage, USAGE_TTL)
return {'ok'}
