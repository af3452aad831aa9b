-- Return what a user's jobs cost in a cycle, in billionths of a dollar.
--
-- ARGV  1 now   2 user   3 cycle
-- Returns {of those that ended since since_ms, of those before ('': not known yet), since_ms}
call('HSETNX', P .. 'spent', 'since_ms', time_ms(ARGV[1]))
local spent = call('HMGET', P .. 'usage:' .. ARGV[2] .. ':' .. ARGV[3], 'nano_usd', 'nano_usd:seed')
return {spent[1] or '0', spent[2] or '', call('HGET', P .. 'spent', 'since_ms')}
